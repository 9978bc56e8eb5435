"""One section of report.md per file: paragraphs, files and figures from what was measured."""
