"""Orders that a person types: read, named by their cell and call, and sent once. (Rows O10, O11)"""
