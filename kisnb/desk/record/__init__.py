"""What a desk keeps on disk: journal and archive."""
