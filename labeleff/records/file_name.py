"""Name of the records file in a run's folder."""

FILE_NAME = "records.jsonl"
