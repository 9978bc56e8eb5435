"""Stories for tests: a small toy task, and the plug-ins that read it."""

from pathlib import Path

from labeleff.catalogue import lookup
from labeleff.execution.launch import measure
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import load_study
from labeleff.training.examples import Source, Task, load_task

SMALL = {"qrn": {"width": 16, "gates": 4}, "universal_transformer": {"width": 16}}


def task(number: int = 1, **options: object) -> Task:
    """Generated stories of a bAbI task, 1,000 + 1,000 questions."""
    given = {"size": "1k", "source": "generated", **options}
    return load_task(lookup.complete("task", f"babi/qa{number}", given), Source(Path("none"), offline=True))


STUDY = """
name = "told"
tasks = [{ name = "babi/qa1", size = "1k", source = "generated" }]
encoders = [{ name = "qrn", width = 32, gates = 4 }]
arms = [{ pretext = "scratch", protocol = { name = "validated", stop = true } }]
baseline = "scratch/validated"
rungs = [1000]
draws = 1
seeds = 2

[budget.validated]
optimizer = "adam"
lr = 5e-3
batch = 32
epochs = 14
warmup = 0.02
clip = 5.0
augment = { words = 0.01 }
"""


def run(folder: Path, *overrides: str, study: str = STUDY, name: str = "told") -> Path:
    """Run a study of stories, by default the small one, from the file `name` into `folder/out`."""
    path = folder / f"{name}.toml"
    path.write_text(study)
    options = RunOptions(
        folder=folder / "out",
        command=["labeleff", "run", path.name],
        jobs=1,
        cores=1,
        device="cpu",
        data=folder / "data",
        cache=folder / "cache",
        offline=True,
        quiet=True,
    )
    assert not measure(load_study(str(path), overrides), options)
    return folder / "out"
