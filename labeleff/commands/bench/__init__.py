"""How fast the library is on this machine: `labeleff bench`."""
