"""`labeleff plan --calibrate`: a study's kinds of work timed on this machine."""
