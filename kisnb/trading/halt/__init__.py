"""The kill switch, the flatten, and the texts for the desk's trading state."""
