"""What is asked: TOML files to checked cells. What came out belongs in `records`."""
