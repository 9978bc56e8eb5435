"""Sections of report.md, one per file: paragraphs, tables, figures."""
