"""Pictures of any kind to square images of one size: decoded, laid over a background, scaled to 8 bits."""
