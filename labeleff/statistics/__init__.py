"""Variances, intervals, tests and ties."""
