"""`labeleff reproduce`: published experiments measured again, row by row."""
