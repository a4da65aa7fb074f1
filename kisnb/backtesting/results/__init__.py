"""The result of a back-test: DataFrames, statistics, figures, and the tear sheet."""
