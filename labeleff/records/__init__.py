"""Records of results: `records.jsonl`, read and written.

Only raw values; what is derived from them belongs in `reporting`.
"""
