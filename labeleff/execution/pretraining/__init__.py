"""Encoders pretrained: jobs, points that are saved on the way, probes beside them."""
