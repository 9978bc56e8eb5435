"""Pretexts that hide patches of an image from a vision transformer."""
