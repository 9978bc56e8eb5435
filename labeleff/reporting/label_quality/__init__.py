"""Labels with noise or imbalance in labels without, and what they are worth at their price."""
