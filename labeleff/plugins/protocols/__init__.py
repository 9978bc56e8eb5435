"""Protocols: how an encoder meets labels, one per file.

A protocol gets exactly n labelled examples, never the test set.
"""
