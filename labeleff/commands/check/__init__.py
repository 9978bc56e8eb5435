"""`labeleff check`: tests of a plug-in's contract, one kind of plug-in per file."""
