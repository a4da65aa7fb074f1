"""The desk's files: journal, archive, and a halt that could not be journaled."""
