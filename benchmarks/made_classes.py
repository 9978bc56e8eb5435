"""Images of noise with classes, and the objective of learning them, for benchmarks of training."""

import torch
import torch.nn.functional as F


def made(count):
    """Make uint8 images (count, 32, 32, 3) and classes (count,) in 0..9, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return images, torch.randint(0, 10, (count,), generator=generator)


def objective(labels):
    """Make the objective of the trainer: cross-entropy of the classes (N,), and the number predicted correctly."""

    def measure(net, batch):
        scores, targets = net(batch.images).float(), labels[batch.samples]
        return F.cross_entropy(scores, targets), (scores.argmax(1) == targets).sum()

    return measure
