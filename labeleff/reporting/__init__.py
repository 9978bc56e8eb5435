"""Records to tables, figures and report.md, without torch.

Two folders held against each other belong in `comparison`.
"""
