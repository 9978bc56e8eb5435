"""Tasks, encoders, pretexts and protocols, one per file; rows of `catalogue` name them."""
