"""Orders that a person types: read, named by cell and call, handed over once. (Rows O10, O11)"""
