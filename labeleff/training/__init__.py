"""Training of one model, or of K as one, on any device."""
