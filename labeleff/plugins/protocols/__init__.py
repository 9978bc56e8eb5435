"""How an encoder meets labels, one protocol per file.

A protocol gets exactly n labelled examples, never the test set.
"""
