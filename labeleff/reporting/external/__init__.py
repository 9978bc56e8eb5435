"""Tables of runs measured elsewhere: `labeleff utility`. Reading and checking them, and their report."""
