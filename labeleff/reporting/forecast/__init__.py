"""Report of a forecast from a pilot: `labeleff forecast`."""
