"""Figures of a report, one per file; they draw and compute nothing."""
