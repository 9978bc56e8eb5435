"""Pretexts: training without labels, one method per file.

A pretext gets images, an encoder, a seed and a budget: never labels.
"""
