"""One command per file or folder: options checked, the work called, the outcome printed."""
