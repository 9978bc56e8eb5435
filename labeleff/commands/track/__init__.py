"""Records for TensorBoard and MLflow: `labeleff track` and `run --track`."""
