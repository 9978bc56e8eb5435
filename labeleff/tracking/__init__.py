"""Runs held against each other: comparisons, gates, histories, noise."""
