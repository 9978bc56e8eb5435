"""Report of runs measured elsewhere: `labeleff utility`."""
