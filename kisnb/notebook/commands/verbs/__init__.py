"""The verbs of ``%kis``, one file a subject, and the table of all of them."""
