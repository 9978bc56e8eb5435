"""What a head predicts: its loss, its metrics, its chance level. One kind of target per file."""
