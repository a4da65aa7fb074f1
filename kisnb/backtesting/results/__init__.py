"""The result of a back-test: frames, statistics, figures, and the tear sheet."""
