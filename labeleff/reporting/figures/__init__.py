"""One figure per file. A figure draws what it is given and computes nothing."""
