"""Head of a report: its question answered, and what else is asked first."""
