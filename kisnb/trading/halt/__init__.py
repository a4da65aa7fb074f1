"""The kill switch, the flatten, and the words for the desk's trading state."""
