"""Shared by tests: synthetic studies, records, tasks and plug-ins."""
