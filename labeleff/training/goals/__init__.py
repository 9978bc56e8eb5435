"""Goals: kinds of targets with loss, metrics and chance level, one per file."""
