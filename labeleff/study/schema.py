"""A study: one TOML file of axes, checked whole before anything runs, expanded into cells.

This file has all validation and the only defaults (those of plug-ins' options are in the catalogue).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from labeleff.catalogue import declaration, lookup, presets
from labeleff.catalogue.declaration import Plugin, Real, Spec, Whole, as_toml
from labeleff.curves.methods import FORMULAS, check_method, check_rungs
from labeleff.errors import StudyError
from labeleff.stats.interval_level import LEVEL
from labeleff.study import budget_rows, consistency
from labeleff.study.arms import Arm, parse_arm, parse_spec
from labeleff.study.auto_ladder import Auto, expand_auto
from labeleff.study.cell import Budget, Cell, Layout, Precision, Selection, Subset
from labeleff.study.gate import Gate
from labeleff.study.label_conditions import LABEL_AXES, HasLabelConditions
from labeleff.study.names import arm_names
from labeleff.study.pretraining_points import HasPretrainings
from labeleff.study.prices import Cost, check_targets
from labeleff.study.selection import expand_selection
from labeleff.study.tuning import Tune


def _complete(block: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a block: its first arm as baseline, the budget rows it uses, unless its keys `own` say otherwise."""
    arms = block.get("arms")
    if not isinstance(arms, list) or not arms:
        return block
    parsed = [parse_arm(arm) for arm in arms]
    names = arm_names(parsed)
    used = {*names, *(spec.name for arm in parsed for spec in (arm.pretext, arm.protocol))}
    budget = block.get("budget")
    if "budget" not in own and isinstance(budget, Mapping):
        block["budget"] = {key: row for key, row in budget.items() if budget_rows.trained(key) in used}
    block.setdefault("baseline", names[0])
    return block


class Study(HasLabelConditions, HasPretrainings):
    """A study with all its settings; unknown keys are refused.

    Axes: `tasks`, `encoders`, `arms`, `rungs`, conditions of labels, points of pretraining, and runs. With
    `pairing = "crossed"` every draw is combined with every seed; with `"zipped"` run i has draw i and seed i (so that
    intervals also carry the noise of pretraining at the cost of one axis) and `draws` must equal `seeds`.
    """

    EXPANDED: ClassVar[tuple[str, ...]] = ("selection",)
    """Keys that are no fields, as other keys are made of them."""
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    smoke: bool = False
    """Whether it is a rehearsal, whose reports say that its numbers mean nothing."""
    tasks: list[Spec] = Field(min_length=1)
    encoders: list[Spec] = Field(min_length=1)
    arms: list[Arm] = Field(min_length=1)
    baseline: str = "scratch/finetune"
    """Arm whose curve is inverted: utility is measured against it."""
    rungs: list[Whole] = Field(min_length=1)
    """Label counts: at least two where there are several arms to compare, unless `allow_one_rung` is set.

    The text `auto` means the largest ladder of the table `auto`.
    """
    auto: Auto | None = None
    """Label counts whose U(n) is wanted, so that no more cells are measured than it needs; None measures all."""
    draws: Whole = Field(default=3, ge=1)
    seeds: Whole = Field(default=1, ge=1)
    pairing: Literal["crossed", "zipped"] = "crossed"
    subset: Subset = "stratified"
    allow_missing_classes: bool = False
    allow_one_rung: bool = False
    """Whether to allow several arms at one label count, which gives accuracies and no utility."""
    draws_from: str | None = None
    """Folder written by `labeleff plan --export-draws`, whose listed labels are taken."""
    budget: dict[str, Budget] = Field(default_factory=dict)
    """Budgets by pretext, protocol, or (in place of the protocol's) by arm, e.g. `rotation/finetune`.

    A row that ends in ` on ENCODER` counts on that encoder alone. A pretext's row may be the name of a preset, or have
    that name in the key `preset`.
    """
    precision: Precision = "auto"
    layout: Layout | None = None
    """Memory layout of images and weights; left to the device unless given."""
    curve: str = "bayes"
    """Method by which the baseline's curve is fitted and inverted: a name of labeleff.curves.methods.methods()."""
    level: Real = Field(default=LEVEL, gt=0.5, lt=1)
    """Probability of intervals."""
    stories: dict[str, Study] = Field(default_factory=dict)
    """Blocks with tasks of stories, by name, measured at one label count in the same run and records.

    A block has the keys of a study; they default to those of this one, except for its baseline (its first arm).
    """
    targets: list[Real] = Field(default_factory=list)
    """Accuracies in 0..1 for which the report gives the labels that every arm needs."""
    cost: Cost | None = None
    """Price of a label, from which the report computes savings."""
    asks: str | None = None
    """Question that the report answers first (`study.question`); None: guessed from what was measured."""
    names: dict[str, str] = Field(default_factory=dict)
    """What an arm is called in figures, by its name in the study."""
    headline: Whole | None = None
    """Label count whose utility opens the report's verdict; None for the mean over the ladder."""
    gate: Gate | None = None
    """Rules by which `labeleff compare` judges a run of this study."""
    tune: Tune | None = None
    """Equal tuning of all trained arms on their own labels; None for rows as they are."""
    metrics: dict[str, str] = Field(default_factory=dict)
    """Recorded metric to report on, by task name, where it isn't the task's first."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, table: Any) -> Any:
        """Fill the blocks of `stories` from this study's keys, the ladder from `auto`, arms from `selection`."""
        table = expand_auto(table)
        if not isinstance(table, Mapping) or not isinstance(table.get("stories"), Mapping):
            return expand_selection(table)
        unshared = {"stories", "title", "baseline", "metrics", "headline", "gate", "probe", "auto", "selection", "asks"}
        unshared |= {"names", "tune", "pretraining", *LABEL_AXES}
        shared = {key: value for key, value in table.items() if key in cls.model_fields.keys() - unshared}
        for name, block in table["stories"].items():
            if not isinstance(block, Mapping):
                raise StudyError(f"stories.{name}: found {as_toml(block)}, expected a table")
        blocks = table["stories"].items()
        stories = {k: _complete({**shared, "name": k, **own}, own=own) for k, own in blocks}
        return expand_selection({**table, "stories": stories})

    @field_validator("budget", mode="before")
    @classmethod
    def _presets(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {key: presets.row(budget_rows.trained(key), row) for key, row in value.items()}

    @field_validator("tasks", "encoders", mode="before")
    @classmethod
    def _specs(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, list):
            raise StudyError(f"{info.field_name}: found {as_toml(value)}, expected a list")
        kind: declaration.Kind = "task" if info.field_name == "tasks" else "encoder"
        return [item if isinstance(item, Spec) else parse_spec(kind, item) for item in value]

    @field_validator("arms", mode="before")
    @classmethod
    def _arms(cls, value: Any) -> Any:
        if not isinstance(value, list):
            raise StudyError(f"arms: found {as_toml(value)}, expected a list of 'pretext/protocol'")
        return [parse_arm(item) for item in value]

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
        consistency.check(self)
        return self

    def budget_of(self, arm: Arm, encoder: Spec) -> Budget | None:
        """The protocol's row for this arm on an encoder; None where the protocol is solved, not trained."""
        return self._budget(arm, self.arm_names[self.arms.index(arm)], encoder)

    def _budget(self, arm: Arm, name: str, encoder: Spec) -> Budget | None:
        return budget_rows.find(self.budget, budget_rows.names_of(arm, name), encoder)

    @functools.cached_property
    def pairs(self) -> list[tuple[Spec, Arm, str]]:
        """Every encoder with every arm, and its name, that can be measured on it: pretexts may need what it lacks."""
        arms = [*zip(self.arms, self.arm_names, strict=True)]
        pairs = ((encoder, arm, name) for encoder, (arm, name) in itertools.product(self.encoders, arms))
        return [(encoder, arm, name) for encoder, arm, name in pairs if consistency.fits(arm.pretext_plugin, encoder)]

    def arms_on(self, encoder: Spec) -> list[Arm]:
        """The arms that can be measured on an encoder."""
        return [arm for one, arm, _ in self.pairs if one == encoder]

    @property
    def networks(self) -> list[tuple[Spec, bool]]:
        """Every encoder, whole or (true) split into a pair, as arms have it."""
        pairs = ((encoder, arm.pretext_plugin.split) for encoder, arm, _ in self.pairs)
        return [*{(encoder.label, split): (encoder, split) for encoder, split in pairs}.values()]

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
        """Names of the arms in all blocks, by task, pretext, protocol and selection."""
        return {
            (task.label, arm.pretext.label, arm.protocol.label, arm.selection): name
            for block in reversed(self.blocks)
            for task in block.tasks
            for arm, name in zip(block.arms, block.arm_names, strict=True)
        }

    def arm_of(self, cell: Cell) -> str:
        """The name of the arm that a cell of this study belongs to."""
        return self._names[cell.task.label, cell.pretext.label, cell.protocol.label, cell.strategy]

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
        for (task, images), (encoder, arm, name) in itertools.product(tasks, self.pairs):
            pretrain = budget_rows.find(self.budget, [arm.pretext.name], encoder)
            shares = arm.pretext_plugin.makes_encoder and images != task
            budget, encoder_seed = self._budget(arm, name, encoder), lookup.encoder_seed(arm.pretext)
            conditions = itertools.product(self.label_conditions, self.points_of(arm))
            for (labels, point), n, (draw, seed) in itertools.product(conditions, self.rungs, self.runs):
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
                    selection=Selection.at(arm.selected, self.rungs, n),
                    tune=self.tune if budget or (self.tune and self.tune.pretext and pretrain) else None,
                    held_out="distinct" if lookup.holds_out_stories(task, arm.protocol) else None,
                    pretrain_share=point.share,
                    pretrain_images=point.images,
                    **dict(labels),
                )
