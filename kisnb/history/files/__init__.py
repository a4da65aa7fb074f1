"""Import and export of rows: parquet and CSV files of and for other programs."""
