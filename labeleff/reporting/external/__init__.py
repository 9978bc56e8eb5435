"""Report of runs measured elsewhere (`labeleff utility`): reading and checking their table."""
