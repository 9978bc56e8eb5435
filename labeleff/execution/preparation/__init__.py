"""What comes before the first training step: checks, and the facts of a run; for a plan as far as data are there."""
