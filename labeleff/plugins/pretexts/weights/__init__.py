"""Pretexts that take weights from outside: files, their names for parts, and where they come from."""
