"""Comparison of two runs, or of a history of runs.

Reports on one run belong in `reporting`.
"""
