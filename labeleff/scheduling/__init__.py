"""Order and expected duration of jobs, planned without tensors."""
