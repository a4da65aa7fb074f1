"""Orders that a person types: read, named by cell and call, handed to the desk once. (Rows O10, O11)"""
