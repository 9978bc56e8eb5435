"""Where jobs run: this process, worker processes, a Ray cluster."""
