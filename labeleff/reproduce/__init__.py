"""Published experiments measured again, row by row beside what was printed."""
