"""What came out: `records.jsonl`, read and written.

Raw values alone; what follows from them belongs in `reporting`.
"""
