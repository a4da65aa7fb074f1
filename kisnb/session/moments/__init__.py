"""A look back: quote, depth and order books as of a moment of a taped day."""
