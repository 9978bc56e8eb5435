"""What arms are worth at points of pretraining: shares of its steps, and numbers of its images."""
