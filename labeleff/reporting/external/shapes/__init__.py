"""Shapes of tables: where a table's header and rows have arms, label counts and values."""
