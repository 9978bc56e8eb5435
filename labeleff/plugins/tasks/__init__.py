"""Tasks: data sets, one per file, with their `sources` and the renderer `scenes`."""
