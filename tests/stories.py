"""Stories for tests: a small task of the toy kind, and the plug-ins that read it."""

from pathlib import Path

from labeleff import catalogue
from labeleff.data import load_task
from labeleff.tensors import Source, Task

SMALL = {"qrn": {"width": 16, "gates": 4}}


def task(number: int = 1, **options: object) -> Task:
    """Generated stories of a bAbI task, 1,000 + 1,000 questions."""
    given = {"size": "1k", "source": "generated", **options}
    return load_task(catalogue.complete("task", f"babi/qa{number}", given), Source(Path("none"), offline=True))
