"""The drift between a day that was traded and the back-test of that day."""
