"""K models of one shape trained as one. The same numbers as the plain loop, tested in float64."""
