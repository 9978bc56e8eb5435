"""Layers computed faster on CPUs, exactly. Each is tested against the plain layer in float64."""
