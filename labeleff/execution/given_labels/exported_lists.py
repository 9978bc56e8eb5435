"""Labels of a study as lists: `labeleff plan --export-draws`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from labeleff.catalogue.declaration import Spec
from labeleff.execution.draws import LabelRule, choose_labels
from labeleff.execution.given_labels.noisy_labels import pool_labels
from labeleff.execution.given_labels.written_lists import export_draws
from labeleff.execution.progress import PreparationBars
from labeleff.execution.selection.recorded import export_selected
from labeleff.records.entries import Record
from labeleff.study.label_conditions import LabelCondition
from labeleff.study.schema import Study
from labeleff.training.examples import Source, Task, load_task


def export(
    study: Study, folder: Path, data: Path, offline: bool, base: Path = Path(), measured: Mapping[str, Record] = {}
) -> None:
    """Write the label indices of every task, draw and rung of a study into `folder`, and those that were selected.

    Relative paths in the study are below `base`. `measured` are the records of its cells, by key, whose labels may have
    been selected.
    """
    for block in study.blocks:
        for spec in block.tasks:
            with PreparationBars() as bars:
                source = Source(data, offline, bars.advance, base=base)
                task = load_task(spec, source)
            for labels in block.label_conditions:
                _export(folder, task, spec, block, labels, source)
            print(f"draws of {spec.label}: {folder}")
            for arm, paths in export_selected(block, measured, folder, task, spec.label).items():
                print(f"labels selected for {arm}: {len(paths)} lists")


def _export(folder: Path, task: Task, spec: Spec, block: Study, labels: LabelCondition, source: Source) -> None:
    """Write the labels of a task under one condition; those with noise or imbalance have a folder of their own."""
    noise = labels.noise
    rule = replace(LabelRule.of(block, source.base), allow_missing_classes=True)
    export_draws(
        folder,
        labels.named(spec).label,
        task.strata.numpy(),
        block.rungs,
        range(block.draws),
        block.subset,
        task.ids,
        chosen=lambda draw, n: choose_labels(task, spec, rule, draw, n, labels.ratio).indices,
        given=None if noise is None else lambda draw: pool_labels(task, spec, noise, draw, source),
    )
