"""Curves of accuracy against labels: fitted, inverted, and what follows as utility."""
