"""Data sets, one per file. What they are read from belongs in `sources`, the renderer in `scenes`."""
