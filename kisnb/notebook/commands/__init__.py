"""``%kis``: words, verbs, completion, settings."""
