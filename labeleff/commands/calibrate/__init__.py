"""The kinds of work of a study timed on this machine: `labeleff plan --calibrate`."""
