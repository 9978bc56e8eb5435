"""Files of embeddings and their labels: formats, joins by id, kinds of target, splits."""
