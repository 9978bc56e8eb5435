"""Engines that run jobs: this process, worker processes, a Ray cluster."""
