"""Labels that are selected rung by rung: cells measured in order, their labels in records and in files."""
