"""Networks below the head, one per file."""
