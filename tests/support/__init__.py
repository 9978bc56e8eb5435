"""What tests share: made studies, records, tasks and plug-ins."""
