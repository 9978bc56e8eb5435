"""Published experiments measured again, row by row: `labeleff reproduce`."""
