"""Weak points of a study's design: unfinished work, its axes, mixed conditions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from labeleff.catalogue.metrics import metric
from labeleff.records.conditions import UNTESTED, unlike
from labeleff.reporting.effort import tuning
from labeleff.reporting.findings import Findings
from labeleff.reporting.markdown import at_labels, join_texts
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results
from labeleff.reporting.sections import weak_data, weak_results

BEYOND, LEARNED = 0.02, 0.9
"""Least gap of training over test accuracy, and training accuracy, of an arm that was trained long enough."""


def flags(results: Results, findings: Findings) -> list[str]:
    """One sentence per weakness of the study and of its accuracies, the gravest first."""
    return [
        *_of_work_and_data(results),
        *_worse_than_guessing(results),
        *weak_results.few_runs(findings.measured),
        *_design(results),
        *tuning.flags(results),
        *_sizes(results),
        *_short_training(results),
        *weak_results.flags(findings),
        *_conditions(results),
    ]


def of_records(results: Results) -> list[str]:
    """One sentence per weakness of what was recorded, whatever is made of it: for studies without ladders."""
    return [*_of_work_and_data(results), *_conditions(results)]


def _of_work_and_data(results: Results) -> list[str]:
    return [*_unfinished(results), *weak_data.flags(results), *_collapsed(results), *_data(results)]


def _unfinished(results: Results) -> Iterator[str]:
    failed = sum(results.value(record) is None for record in results.cells)
    finished = len(results.cells) - failed
    if finished < results.cell_count:
        yield (
            f"**Incomplete**: {finished} of {results.cell_count} cells have finished, {failed} failed, "
            f"{results.cell_count - finished - failed} are still to be run."
        )
    broken = [item for item in results.pretrainings if item.status == "failed"]
    for item in broken:
        what = item.pretraining
        yield f"**Failed pretraining**: {what.pretext.label}, seed {what.seed}: {item.reason or 'no reason given'}."


def _collapsed(results: Results) -> Iterator[str]:
    for item in results.pretrainings:
        if item.metrics.get("collapsed"):
            what, spread = item.pretraining, item.metrics.get("spread")
            yield (
                f"**Collapsed pretraining**: {what.pretext.label}, seed {what.seed}: its projections hardly differ "
                f"between held-out images{'' if spread is None else f' (spread {spread:.2g})'}."
            )


def _data(results: Results) -> Iterator[str]:
    """What weakens numbers measured on a task's data, as the run that loaded them said."""
    for task in results.study.tasks:
        where = f" ({task.name})" if len(results.study.tasks) > 1 else ""
        found = results.fact(task.label, "weak_points")
        yield from (f"{text}{where}." for text in (found if isinstance(found, list) else []))


def _worse_than_guessing(results: Results) -> Iterator[str]:
    for task in results.study.tasks:
        entry, units = metric(results.metric(task.label)), results.units(task.label)
        if units.worst < entry.worst < units.best:
            yield (
                f"**Worse than guessing**: some {entry.plural} are under {entry.worst:g}, and may be arbitrarily bad; "
                f"curves are fitted to them as shares of the way from {units.worst:g} to {units.best:g}."
            )


def _design(results: Results) -> Iterator[str]:
    study = results.study
    outside = [arm.pretext.label for arm in study.arms if arm.pretext_plugin.loaded]
    if outside:
        yield (
            f"**Weights from outside**: {', '.join(dict.fromkeys(outside))}. There is one of each, so intervals leave "
            "out the luck of its pretraining, and labels that it may have cost aren't counted."
        )
    if study.seeds == 1 and any(arm.pretext_plugin.trained for arm in study.arms):
        yield (
            "**One pretraining seed**: every run of an arm starts from the same pretrained encoder, so intervals "
            "leave out the luck of pretraining and of the initialisation."
        )
    if study.draws == 1 and study.seeds > 1:
        yield "**One draw of labels**: intervals leave out the luck of which images were labelled."
    by_encoder: dict[str, set[str]] = {}
    for encoder, arm, _ in study.pairs:
        if (budget := study.budget_of(arm, encoder)) is not None:
            by_encoder.setdefault(encoder.label, set()).add(budget.model_dump_json())
    if any(len(budgets) > 1 for budgets in by_encoder.values()):
        yield (
            "**Unequal budgets**: trained arms don't share one protocol budget (see `details.md`), so a difference "
            "may come from the optimisation instead of the pretraining."
        )
    drawn = [record for record in results.cells if record.missing_classes and record.cell.selection is None]
    missing: dict[tuple[str, str, int], dict[str, None]] = {}
    for record in drawn:
        of = record.cell.task
        missing.setdefault((of.label, of.name, record.cell.n), {}).update(dict.fromkeys(record.missing_classes))
    for (_, task, n), classes in missing.items():
        yield f"**Missing classes**: some draws of {n} labels of {task} have no example of {', '.join(classes)}."


def _sizes(results: Results) -> Iterator[str]:
    """Flags of pretexts that hand on a pair of encoders in place of the one that other arms have."""
    sizes = {}
    for item in results.pretrainings:
        pair, plain = item.metrics.get("parameters"), item.metrics.get("plain_parameters")
        if pair is not None and plain is not None:
            sizes[item.pretraining.pretext.name, item.pretraining.encoder.label] = pair, plain
    for (pretext, encoder), (pair, plain) in sizes.items():
        yield (
            f"**Another encoder**: {pretext} hands on a pair of narrow encoders with {pair:,.0f} parameters "
            f"({100 * (pair / plain - 1):+.1f} %) in place of {encoder}, which other arms have; a difference may come "
            "from that."
        )


def _short_training(results: Results) -> Iterator[str]:
    """Flag rungs where labelled examples are learned hardly better than test examples are answered, and not well."""
    found: dict[str, list[str]] = {}
    for place in results.places:
        arms = [(arm, _unlearned(results, place, arm)) for arm in results.arms]
        if any(ns for _, ns in arms):
            found.setdefault(at_labels((arm, ns) for arm, ns in arms if ns), []).append(results.title(place))
    for arms_at, titles in found.items():
        where = f" ({join_texts(titles)})" if len(results.places) > 1 else ""
        yield (
            f"**Short training**: {arms_at}: labelled examples are answered hardly better in training than test "
            f"examples, and under {100 * LEARNED:.0f} % of them: more steps or another rate would change these "
            f"numbers, and U with them.{where}"
        )


def _unlearned(results: Results, place: Place, arm: str) -> list[int]:
    """Label counts with right labels of which a trained arm learned less than LEARNED, and little beyond the test."""
    rungs: dict[int, list[tuple[float, float]]] = {}
    for record in results.at(place, arm):
        fitted, tested = record.train_metrics.get("accuracy"), record.metrics.get("accuracy")
        if record.training and record.cell.noise is None and fitted is not None and tested is not None:
            rungs.setdefault(record.cell.n, []).append((fitted, tested))
    means = {n: [sum(side) / len(pairs) for side in zip(*pairs, strict=True)] for n, pairs in rungs.items()}
    return [n for n, (fitted, tested) in sorted(means.items()) if fitted < min(tested + BEYOND, LEARNED)]


def _conditions(results: Results) -> Iterator[str]:
    for device in dict.fromkeys(run.conditions.device for run in results.runs):
        if device.startswith(UNTESTED):
            yield f"**Untested device**: {device} is accepted, but labeleff's tests have never run on one."
    pairs = itertools.combinations([run.conditions for run in results.runs], 2)
    mixed = sorted({what for pair in pairs for what, *_ in unlike(*pair)})
    if mixed:
        yield f"**Mixed conditions**: the runs differ in {join_texts(mixed)} (see `details.md`)."
    replaced = [item for item in results.encoders.values() if item.former_cells]
    if replaced:
        cells, of = sum(item.former_cells for item in replaced), len(results.encoders)
        yield (
            f"**Encoders trained again**: {len(replaced)} of {of} gave other weights than before, as "
            f"on another processor; {cells:,} cells started from the former, the rest from the new."
        )
    if results.foreign:
        yield f"{results.foreign} records in this folder belong to other studies and were left out."
