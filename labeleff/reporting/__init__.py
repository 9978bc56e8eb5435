"""Tables, figures and report.md from records, without torch.

What compares two folders belongs in `comparison`.
"""
