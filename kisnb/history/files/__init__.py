"""Rows that come from files of others, and go into files for others: parquet and CSV."""
