"""Tables of runs that were measured elsewhere, and their report."""
