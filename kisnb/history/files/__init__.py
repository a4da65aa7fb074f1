"""Import and export of rows: parquet and CSV files of other programs."""
