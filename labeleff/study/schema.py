"""A study: one TOML file of axes, checked whole before anything runs, expanded into cells.

This file has all validation and the only defaults (those of plug-ins' options are in the catalogue).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from labeleff.catalogue import declaration, lookup, presets
from labeleff.catalogue.declaration import Frozen, Plugin, Spec, as_toml
from labeleff.curves.methods import FORMULAS, check_method, check_rungs
from labeleff.errors import StudyError
from labeleff.stats.interval_level import LEVEL
from labeleff.study.auto_ladder import Auto, check_auto, expand_auto
from labeleff.study.cell import Budget, Cell, Layout, Precision, Pretraining, Subset, arm_names
from labeleff.study.consistency import (
    check_block,
    check_budgets,
    check_examples,
    check_headline,
    check_item_targets,
    check_metrics,
    check_names,
    check_pools,
    check_pretexts,
    check_probe,
    check_protocols,
    check_size,
)
from labeleff.study.gate import Gate
from labeleff.study.prices import Cost, check_targets
from labeleff.study.probe_settings import Probe, ProbePlan


class Arm(Frozen):
    """A way from images to an accuracy: a pretext, then a protocol."""

    pretext: Spec
    protocol: Spec

    @functools.cached_property
    def pretext_plugin(self) -> Plugin:
        """The declaration of the pretext."""
        return lookup.find("pretext", self.pretext.name)

    @functools.cached_property
    def protocol_plugin(self) -> Plugin:
        """The declaration of the protocol."""
        return lookup.find("protocol", self.protocol.name)


def _spec(kind: declaration.Kind, value: Any) -> Spec:
    """Parse a spec: `"name"`, `{name = "name", option = value, ...}` or, as in records, a table with `options`."""
    if isinstance(value, str):
        return lookup.complete(kind, value, {})
    recorded = isinstance(value, Mapping) and set(value) == {"name", "options"}
    if recorded and isinstance(value["options"], Mapping):
        return lookup.complete(kind, value["name"], value["options"])
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        options = {k: v for k, v in value.items() if k != "name"}
        return lookup.complete(kind, value["name"], presets.options(value["name"], options))
    raise StudyError(f"found {as_toml(value)}, expected a name or a table like {{name = ..., option = ...}}")


def _arm(value: Any) -> Arm:
    """Parse an arm: `"pretext/protocol"` or `{pretext = ..., protocol = ...}`."""
    if isinstance(value, str) and value.count("/") == 1:
        pretext, protocol = value.split("/")
    elif isinstance(value, Mapping) and set(value) == {"pretext", "protocol"}:
        pretext, protocol = value["pretext"], value["protocol"]
    else:
        raise StudyError(f"found {as_toml(value)}, expected 'pretext/protocol' or {{pretext = ..., protocol = ...}}")
    return Arm(pretext=_spec("pretext", pretext), protocol=_spec("protocol", protocol))


def _complete(block: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a block: its first arm as baseline, the budget rows it uses, unless its keys `own` say otherwise."""
    arms = block.get("arms")
    if not isinstance(arms, list) or not arms:
        return block
    parsed = [_arm(arm) for arm in arms if not isinstance(arm, Arm)]
    names = arm_names(parsed)
    used = {*names, *(spec.name for arm in parsed for spec in (arm.pretext, arm.protocol))}
    budget = block.get("budget")
    if "budget" not in own and isinstance(budget, Mapping):
        block["budget"] = {key: row for key, row in budget.items() if key in used}
    block.setdefault("baseline", names[0])
    return block


class Study(Frozen):
    """A study with all its settings; unknown keys are refused.

    Axes: `tasks`, `encoders`, `arms`, `rungs`, and runs. With `pairing = "crossed"` every draw is combined with every
    seed; with `"zipped"` run i has draw i and seed i (so that intervals also carry the noise of pretraining at
    the cost of one axis) and `draws` must equal `seeds`.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    smoke: bool = False
    """Whether it is a rehearsal, whose reports say that its numbers mean nothing."""
    tasks: list[Spec] = Field(min_length=1)
    encoders: list[Spec] = Field(min_length=1)
    arms: list[Arm] = Field(min_length=1)
    baseline: str = "scratch/finetune"
    """Arm whose curve is inverted: utility is measured against it."""
    rungs: list[int] = Field(min_length=1)
    """Label counts: at least two where there are several arms to compare, unless `allow_one_rung` is set.

    The text `auto` means the largest ladder of the table `auto`.
    """
    auto: Auto | None = None
    """Label counts whose U(n) is wanted, so that no more cells are measured than it needs; None measures all."""
    draws: int = Field(default=3, ge=1)
    seeds: int = Field(default=1, ge=1)
    pairing: Literal["crossed", "zipped"] = "crossed"
    subset: Subset = "stratified"
    allow_missing_classes: bool = False
    allow_one_rung: bool = False
    """Whether to allow several arms at one label count, which gives accuracies and no utility."""
    draws_from: str | None = None
    """Folder written by `labeleff plan --export-draws`, whose listed labels are taken."""
    budget: dict[str, Budget] = Field(default_factory=dict)
    """Budgets by pretext, protocol, or (in place of the protocol's) by arm, e.g. `rotation/finetune`.

    A pretext's row may be the name of a preset, or have that name in the key `preset`.
    """
    precision: Precision = "auto"
    layout: Layout | None = None
    """Memory layout of images and weights; left to the device unless given."""
    curve: str = "bayes"
    """Method by which the baseline's curve is fitted and inverted: a name of labeleff.curves.methods.methods()."""
    level: float = Field(default=LEVEL, gt=0.5, lt=1)
    """Probability of intervals."""
    stories: dict[str, Study] = Field(default_factory=dict)
    """Blocks with tasks of stories, by name, measured at one label count in the same run and records.

    A block has the keys of a study; they default to those of this one, except for its baseline (its first arm).
    """
    targets: list[float] = Field(default_factory=list)
    """Accuracies in 0..1 for which the report gives the labels that every arm needs."""
    cost: Cost | None = None
    """Price of a label, from which the report computes savings."""
    headline: int | None = None
    """Label count whose utility opens the report's verdict; None for the mean over the ladder."""
    gate: Gate | None = None
    """Rules by which `labeleff compare` judges a run of this study."""
    probe: Probe | None = None
    """Linear probe of every encoder while a pretext trains it; None for none."""
    metrics: dict[str, str] = Field(default_factory=dict)
    """Recorded metric to report on, by task name, where it isn't the task's first."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, table: Any) -> Any:
        """Fill the blocks of `stories` from this study's keys, and the ladder from `auto`."""
        table = expand_auto(table)
        if not isinstance(table, Mapping) or not isinstance(table.get("stories"), Mapping):
            return table
        unshared = {"stories", "title", "baseline", "metrics", "headline", "gate", "probe", "auto"}
        shared = {key: value for key, value in table.items() if key not in unshared}
        blocks = {}
        for name, block in table["stories"].items():
            if not isinstance(block, Mapping):
                raise StudyError(f"stories.{name}: found {as_toml(block)}, expected a table")
            blocks[name] = _complete({**shared, "name": name, **block}, own=block)
        return {**table, "stories": blocks}

    @field_validator("budget", mode="before")
    @classmethod
    def _presets(cls, value: Any) -> Any:
        return {key: presets.row(key, row) for key, row in value.items()} if isinstance(value, Mapping) else value

    @field_validator("tasks", "encoders", mode="before")
    @classmethod
    def _specs(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, list):
            raise StudyError(f"found {as_toml(value)}, expected a list")
        kind: declaration.Kind = "task" if info.field_name == "tasks" else "encoder"
        return [item if isinstance(item, Spec) else _spec(kind, item) for item in value]

    @field_validator("arms", mode="before")
    @classmethod
    def _arms(cls, value: Any) -> Any:
        if not isinstance(value, list):
            raise StudyError(f"found {as_toml(value)}, expected a list of 'pretext/protocol'")
        return [item if isinstance(item, Arm) else _arm(item) for item in value]

    @field_validator("rungs")
    @classmethod
    def _ladder(cls, rungs: list[int]) -> list[int]:
        for low, high in itertools.pairwise(rungs):
            if high <= low:
                raise StudyError(f"rungs: found {low} before {high}, expected label counts that rise")
        if rungs[0] < 1:
            raise StudyError(f"rungs: found {rungs[0]}, expected label counts of at least 1")
        return rungs

    @field_validator("targets")
    @classmethod
    def _accuracies(cls, targets: list[float]) -> list[float]:
        check_targets(targets)
        return targets

    @field_validator("curve")
    @classmethod
    def _method(cls, name: str, info: ValidationInfo) -> str:
        check_method(name)
        if name in FORMULAS and "rungs" in info.data:
            check_rungs(name, len(info.data["rungs"]))
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        check_names(self)
        check_size(self)
        check_headline(self)
        if self.auto is not None:
            check_auto(self.auto, self.rungs, len(self.runs), len(self.arms))
        for name, block in self.stories.items():
            check_block(block, f"stories.{name}")
        check_budgets(self)
        check_examples(self)
        check_pools(self)
        check_probe(self)
        check_protocols(self.declared_tasks, [(arm.protocol, arm.protocol_plugin) for arm in self.arms])
        check_pretexts([(arm.pretext, arm.pretext_plugin) for arm in self.arms], self.encoders, self.budget)
        check_metrics(self.metrics, self.declared_tasks)
        check_item_targets(self)
        return self

    def budget_of(self, arm: Arm) -> Budget | None:
        """The protocol's row for this arm; None where the protocol is solved, not trained."""
        return self._budget(arm, self.arm_names[self.arms.index(arm)])

    def _budget(self, arm: Arm, name: str) -> Budget | None:
        return self.budget.get(name, self.budget.get(arm.protocol.name))

    @functools.cached_property
    def declared_tasks(self) -> list[tuple[Spec, Plugin]]:
        """The tasks, each with its declaration."""
        return [(task, lookup.find("task", task.name)) for task in self.tasks]

    @functools.cached_property
    def arm_names(self) -> list[str]:
        """Short names of the arms, used in studies, tables and figures: `rotation/finetune`."""
        return arm_names(self.arms)

    @functools.cached_property
    def _names(self) -> dict[tuple[str, ...], str]:
        """Names of the arms in all blocks, by task, pretext and protocol."""
        return {
            (task.label, arm.pretext.label, arm.protocol.label): name
            for block in reversed(self.blocks)
            for task in block.tasks
            for arm, name in zip(block.arms, block.arm_names, strict=True)
        }

    def arm_of(self, cell: Cell) -> str:
        """The name of the arm that a cell of this study belongs to."""
        return self._names[cell.task.label, cell.pretext.label, cell.protocol.label]

    @property
    def runs(self) -> list[tuple[int, int]]:
        """The (draw, seed) pairs of every rung."""
        if self.pairing == "zipped":
            return [(i, i) for i in range(self.draws)]
        return list(itertools.product(range(self.draws), range(self.seeds)))

    @property
    def blocks(self) -> list[Study]:
        """This study's own axes, and those of `stories`."""
        return [self, *self.stories.values()]

    def cells(self, indices_sha256: Mapping[tuple[str, int, int], str] | None = None) -> Iterator[Cell]:
        """Every cell, block by block, arm by arm.

        `indices_sha256` gives, by (task label, draw, n), the hash of published labels.
        """
        if indices_sha256:
            for block in self.blocks:
                yield from block._own_cells(indices_sha256)
        else:
            yield from self._cells

    @functools.cached_property
    def _cells(self) -> list[Cell]:
        """Every cell, with labels from its draw; made once, as cells cache their keys."""
        return [cell for block in self.blocks for cell in block._own_cells({})]

    def _own_cells(self, indices_sha256: Mapping[tuple[str, int, int], str]) -> Iterator[Cell]:
        tasks = [(task, lookup.images_of(task)) for task in self.tasks]
        arms, runs = list(zip(self.arms, self.arm_names, strict=True)), self.runs
        for (task, images), encoder, (arm, name) in itertools.product(tasks, self.encoders, arms):
            pretrain, shares = self.budget.get(arm.pretext.name), arm.pretext_plugin.makes_encoder and images != task
            budget, encoder_seed = self._budget(arm, name), lookup.encoder_seed(arm.pretext)
            for n, (draw, seed) in itertools.product(self.rungs, runs):
                yield Cell(
                    task=task,
                    encoder=encoder,
                    pretext=arm.pretext,
                    protocol=arm.protocol,
                    n=n,
                    draw=draw,
                    seed=seed,
                    subset=self.subset,
                    indices_sha256=indices_sha256.get((task.label, draw, n)),
                    pretrain=pretrain,
                    pretrain_task=images if shares else None,
                    budget=budget,
                    precision=self.precision,
                    layout=self.layout,
                    encoder_seed=encoder_seed,
                )

    @functools.cached_property
    def pretrained_cells(self) -> list[Cell]:
        """One cell per task, encoder, pretext and seed whose encoder is pretrained or filled."""
        pretexts = {arm.pretext.name for block in self.blocks for arm in block.arms if arm.pretext_plugin.makes_encoder}
        cells = {
            (cell.task.label, cell.encoder.label, cell.pretext.label, cell.seed): cell
            for cell in self.cells()
            if cell.pretext.name in pretexts
        }
        return list(cells.values())

    @functools.cached_property
    def pretrainings(self) -> list[Pretraining]:
        """Every encoder that has to be pretrained, once per pretext, seed and set of images."""
        by_key = {item.key: item for item in (cell.pretraining for cell in self.pretrained_cells)}
        return list(by_key.values())

    @functools.cached_property
    def probe_plan(self) -> ProbePlan | None:
        """The probe with the tasks of every pretraining; None where nothing is probed."""
        if self.probe is None:
            return None
        tasks_by_key: dict[str, dict[str, Spec]] = {}
        for cell in self.pretrained_cells:
            if cell.pretrain is not None:
                tasks_by_key.setdefault(cell.pretraining.key, {})[cell.task.label] = cell.task
        return ProbePlan(self.probe, {key: tuple(tasks.values()) for key, tasks in tasks_by_key.items()})
