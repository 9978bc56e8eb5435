"""Files of tables, whatever wrote them, read into grids of text."""
