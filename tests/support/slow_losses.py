"""InfoNCE in plain Python, without the negatives that may not count."""

import math


def slow_info_nce(scores, counts, labels):
    """Mean over rows of -log of the own column's share of what counts, number by number."""
    losses = []
    for row, own in enumerate(labels):
        weights = [math.exp(scores[row][c]) for c in range(len(scores[row])) if counts[row][c]]
        losses.append(-math.log(math.exp(scores[row][own]) / sum(weights)))
    return sum(losses) / len(losses)
