"""How values look: text, HTML, tables, error groups."""
