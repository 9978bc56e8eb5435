"""Accuracy against labels: fitted, inverted, and utility U(n) from it.

Arrays in, numbers out: nothing in this folder knows of studies or files.
"""
