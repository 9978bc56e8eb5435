"""The course report of 2021 that trained the memory network on bAbI task 1, and our ten epochs beside its ten."""

from __future__ import annotations

from collections.abc import Iterator

from labeleff.record import Record
from labeleff.reporting.markdown import table

EPOCHS = (
    (1.7425, 0.2715, 1.7303, 0.2800),
    (1.7368, 0.2771, 1.7206, 0.3080),
    (1.7299, 0.2840, 1.6998, 0.3110),
    (1.7183, 0.2946, 1.6886, 0.3170),
    (1.7055, 0.3025, 1.6686, 0.3360),
    (1.6936, 0.3113, 1.6484, 0.3340),
    (1.6798, 0.3231, 1.6427, 0.3520),
    (1.6689, 0.3311, 1.6294, 0.3460),
    (1.6615, 0.3418, 1.6282, 0.3560),
    (1.6501, 0.3514, 1.6214, 0.3670),
)
"""Loss, accuracy, validation loss and validation accuracy as printed there."""
KERAS = ((1.9683, 0.1675, 1.8005, 0.1820), (1.3910, 0.4637, 1.3562, 0.4760))
"""First and tenth epoch of the same network in Keras 3.15.1 (backend torch, seed 0), validated on the test stories."""
NAMES = ("loss", "accuracy", "validation_loss", "validation_accuracy")


def beside(record: Record) -> Iterator[str]:
    """Paragraphs that set ten epochs of the memory network on task 1 beside the report's; none for other runs."""
    history = record.training.history if record.training else []
    cell = record.cell
    same = cell.encoder.name == "memnet" and cell.task.name == "babi/qa1" and cell.task.options.get("size") == "10k"
    if not same or len(history) != len(EPOCHS) or any(name not in entry for entry in history for name in NAMES):
        return
    yield "### Beside the report of 2021"
    header = ["epoch", *(f"{name.replace('_', ' ')}{whose}" for name in NAMES for whose in ("", " (2021)"))]
    rows = []
    for number, (entry, theirs) in enumerate(zip(history, EPOCHS, strict=True), start=1):
        pairs = zip((entry[name] for name in NAMES), theirs, strict=True)
        rows.append([str(number), *(f"{value:.4f}" for pair in pairs for value in pair)])
    yield table(header, rows, left=0)
    first, last = KERAS
    yield (
        "The network, its start, the optimiser, the learning rate, the batch and the number of epochs are those of "
        "2021. What differs: validation stories are a share of the 10,000 training stories here, so an epoch has "
        f"{history[0]['step']:,.0f} steps in place of 313, while the report validated on the 1,000 test stories; "
        "words are in lower case; chance plays other numbers."
    )
    yield (
        "To see what the difference owes to this implementation, the Keras example itself was run once with Keras "
        "3.15.1 on the same files (313 steps an epoch, validated on the test stories). Its first epoch gave loss "
        f"{first[0]:.4f}, accuracy {first[1]:.4f}, validation loss {first[2]:.4f}, validation accuracy {first[3]:.4f}; "
        f"its tenth {last[0]:.4f}, {last[1]:.4f}, {last[2]:.4f}, {last[3]:.4f}. The report's first epoch is ahead of "
        "Keras's and its later ones fall behind, so its run had another start or other settings, which it doesn't tell."
    )
