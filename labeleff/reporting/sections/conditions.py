"""Last sections of a report: failed cells, fairness, conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labeleff.catalogue import lookup
from labeleff.catalogue.metrics import DENSE
from labeleff.records.entries import RunEntry
from labeleff.reporting.effort.selected_labels import how
from labeleff.reporting.markdown import table
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.study.cell import Budget
from labeleff.study.schema import Study


def failed_cells(results: Results) -> Section:
    """Section on cells without a value, with their reasons; empty where there are none."""
    return Section([*_failures(results)])


def _failures(results: Results) -> Iterator[str]:
    failed = [record for record in results.cells if results.value(record) is None]
    if not failed:
        return
    yield "## Failed cells"
    rows = []
    for record in failed:
        cell, reason = record.cell, record.reason or "finished without a value"
        arm = results.study.arm_of(cell)
        where = [cell.named_task.label, cell.encoder.label, arm, f"{cell.n:,}", str(cell.draw), str(cell.seed)]
        rows.append([*where, " ".join(reason.split())])
    yield table(["task", "encoder", "arm", "n", "draw", "seed", "reason"], rows, left=3)


def fairness(study: Study) -> Section:
    """Section on what was the same for all arms."""
    return Section(["### What was kept fair", "\n".join(f"- {text}" for text in _fairness(study))])


def _fairness(study: Study) -> Iterator[str]:
    yield "A pretext sees images without labels, and no test image. A protocol sees exactly n labels."
    if more := sorted({arm.protocol.name for arm in study.arms if arm.protocol_plugin.unlabelled}):
        yield f"In addition {', '.join(more)} sees the other training images, without labels."
    if any(arm.protocol.options.get("mask") is False for arm in study.arms):
        yield "With `mask=False` images without a label are taught to be class 0, a defect repeated on purpose."
    if any(arm.pretext_plugin.loaded for arm in study.arms):
        yield "Weights from outside were made elsewhere: what images and labels they have seen isn't known here."
    if study.tune is not None:
        yield "Every trained arm has the same grid and as many trials at every rung, judged on a part of its n labels."
    if study.probe is not None:
        yield (
            "Encoders are probed from outside while a pretext trains them, on a copy and on training examples alone; "
            "pretexts see neither the probe's labels nor its scores, and it changes no number."
        )
    nothing = "nothing else than the rungs and runs to measure next is" if study.auto else "nothing is"
    yield f"The test split is scored once a cell, at the end of training; {nothing} chosen by it."
    dense = [plugin.goal in DENSE for _, plugin in study.declared_tasks]
    balanced = "balanced over the classes"
    if any(dense):
        yield "Where every pixel has a label, one of the n labels is the whole map of an image."
        balanced = "at random" if all(dense) else f"{balanced} (at random where every pixel has a label)"
    if any(lookup.images_of(task) != task for task in study.tasks):
        yield "Tasks with the same training images take the same pretrained encoders."
    subset = {
        "stratified": balanced,
        "random": "at random",
        "prefix": "the first n images",
        "balanced": "equally many per class while they last",
        "covering": "in the classes' shares, with one of each class at least,",
    }
    yield (
        f"Labels are drawn {subset[study.subset]} and nested: the same draw gives every arm the same labels, and a "
        "larger rung contains the smaller ones."
        if study.subset != "prefix"
        else "Labels are the first n images, the same in every run: draws bring no spread."
    )
    yield from how(study)
    yield from _label_conditions(study)
    if study.pretraining is not None:
        yield "Arms without a pretext are measured once, and all points of pretraining are compared with those runs."
    yield "One budget table holds for all arms; it is among the conditions in `details.md`."


def _label_conditions(study: Study) -> Iterator[str]:
    if study.noises:
        yield (
            "Noise is in training labels alone, the test split has none. Labels are drawn by their true classes; then "
            "all arms of a draw are told the same wrong ones, those of a small rung are wrong in a larger one too, and "
            "what chance makes wrong at a low rate is wrong at a higher one."
        )
    if study.imbalances:
        yield (
            "Under imbalance labels are drawn from one long-tailed part of the pool, the same for all draws and arms, "
            "in which the first class is the most frequent; the test split is as it was."
        )
        if any(one.unlabelled == "tail" for one in study.imbalances):
            yield "Where a place's name says tail, images without labels are cut to that part too, by their classes."


def conditions(results: Results) -> Section:
    """Section on machine, versions, data and budgets of every run."""
    return Section(details=[*_conditions(results)])


def _conditions(results: Results) -> Iterator[str]:
    yield "## Conditions"
    runs = {f"run {number}": _facts(run) for number, run in enumerate(results.runs, start=1)}
    tasks = {task: _texts(facts) for task, facts in results.run.tasks.items()}
    every = f"all {len(tasks)} tasks" if len(tasks) > 1 else "".join(tasks)
    yield table(["condition", "value"], [*_rows(runs, ""), *_rows(tasks, f"{every}: ")], left=2)
    if results.study.budget:
        yield "Budgets:"
        rows = [[k, _budget(b)] for k, b in sorted(results.study.budget.items())]
        rows += [
            [f"{name}: {k}", _budget(b)]
            for name, block in results.study.stories.items()
            for k, b in sorted(block.budget.items())
            if b != results.study.budget.get(k)
        ]
        yield table(["for", "budget"], rows, left=2)


def _facts(run: RunEntry) -> dict[str, str]:
    """Conditions of a run, by name."""
    conditions = run.conditions
    return {
        "started": run.started,
        "device": conditions.device,
        "precision": ", ".join(f"{name}: {kind}" for name, kind in sorted(conditions.precision.items())),
        "torch": conditions.torch,
        **{f"data of {task}": digest for task, digest in sorted(conditions.data.items())},
        **dict(sorted(conditions.plugins.items())),
        **{key: text for key, text in _texts(run.environment).items() if key != "device"},
    }


def _texts(facts: Mapping[str, object]) -> dict[str, str]:
    """Facts as text, without those that aren't known."""
    return {key: _text(value) for key, value in sorted(facts.items()) if value is not None}


def _rows(facts: Mapping[str, Mapping[str, str]], everywhere: str) -> Iterator[list[str]]:
    """Rows of facts by owner: what all owners share once, after `everywhere`, the others after their owner's name."""
    for key in dict.fromkeys(key for each in facts.values() for key in each):
        values = {owner: each[key] for owner, each in facts.items() if key in each}
        distinct = set(values.values())
        if len(values) == len(facts) and len(distinct) == 1:
            yield [f"{everywhere}{key}", *distinct]
        else:
            yield from ([f"{owner}: {key}", value] for owner, value in values.items())


def _text(value: object) -> str:
    """Format nested values on one line: `lr 0.05, steps (min 8, max 8)`."""
    if isinstance(value, dict):
        pairs = (
            (key, f"({_text(inner)})" if isinstance(inner, dict) else _text(inner)) for key, inner in value.items()
        )
        return ", ".join(f"{key} {inner}" for key, inner in pairs)
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
    if value is None:
        return "–"
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)


def _budget(budget: Budget) -> str:
    return _text(budget.model_dump(mode="json", exclude_none=True))
