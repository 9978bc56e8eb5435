"""A short trial of a study's kinds of work on the actual device, for estimates of time and memory."""
