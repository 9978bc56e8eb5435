"""Training of K models of one shape as one, with the numbers of the plain loop."""
