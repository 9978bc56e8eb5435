"""Studies: from TOML files to checked cells.

Results belong in `records`.
"""
