"""`labeleff bench`: the speed of the library on this machine."""
