"""Two runs, or a history of runs, held against each other. What one run says by itself belongs in `reporting`."""
