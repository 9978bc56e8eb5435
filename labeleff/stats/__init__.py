"""Variances, intervals and tests on plain arrays.

Code that knows of label counts belongs in `curves`, code that knows of folders in `reporting`.
"""
