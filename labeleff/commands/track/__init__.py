"""`labeleff track` and `run --track`: records for TensorBoard and MLflow."""
