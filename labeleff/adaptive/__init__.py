"""Ladders that choose their own rungs."""
