"""Strategies that select which examples are labelled next: plain functions of arrays, one file each."""
