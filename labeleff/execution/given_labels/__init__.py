"""Labels that training gets under a study's noise and imbalance."""
