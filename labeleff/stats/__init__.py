"""Variances, intervals and tests on plain arrays.

What knows of label counts belongs in `curves`, what knows of folders in `reporting`.
"""
