"""Records for TensorBoard and MLflow."""
