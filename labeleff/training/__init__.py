"""Train one model, or K as one, on any device. What is trained (pretexts, protocols) belongs in `plugins`."""
