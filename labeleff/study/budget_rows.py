"""Rows of a study's budget table: of a pretext, a protocol or an arm, on every encoder or on one alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from labeleff.errors import StudyError, UnknownNameError
from labeleff.study.cell import Augment, Budget

if TYPE_CHECKING:
    from labeleff.catalogue.declaration import Spec
    from labeleff.study.arms import Arm
    from labeleff.study.schema import Study

ON = " on "
"""Stands in the name of a row between what is trained and the encoder: `finetune on vit_tiny`."""
Row = TypeVar("Row")


def trained(key: str) -> str:
    """The pretext, protocol or arm that a row is named by, without its encoder."""
    return key.partition(ON)[0]


def find(rows: Mapping[str, Row], names: Sequence[str], encoder: Spec) -> Row | None:
    """The row of the first of these names that has one, its row for this encoder before that for all."""
    keys = (key for name in names for key in (f"{name}{ON}{encoder.name}", name))
    return next((rows[key] for key in keys if key in rows), None)


def names_of(arm: Arm, name: str) -> list[str]:
    """Names under which an arm called `name` looks for its protocol's row: from its own to the protocol's."""
    return list(dict.fromkeys([name, arm.plain(name), f"{arm.pretext.name}/{arm.protocol.name}", arm.protocol.name]))


def _needed(study: Study) -> Iterator[tuple[str, Sequence[str], Spec]]:
    """What each arm trains on each encoder: the arm, the names that a row may have, the encoder."""
    for encoder, arm, name in study.pairs:
        if arm.pretext_plugin.trained:
            yield name, [arm.pretext.name], encoder
        if arm.protocol_plugin.trained:
            yield name, names_of(arm, name), encoder


def check_budgets(study: Study) -> None:
    """Check that everything that is trained has a row of the budget table, and that no row is unused."""
    allowed: dict[str, None] = {}
    for arm, names, encoder in _needed(study):
        if find(study.budget, names, encoder) is None:
            raise StudyError(f"budget.{names[-1]} is missing: arm {arm!r} trains and needs one")
        allowed |= dict.fromkeys(key for name in names for key in (name, f"{name}{ON}{encoder.name}"))
    viewers = {arm.pretext.name for arm in study.arms if arm.pretext_plugin.own_views}
    for key, row in study.budget.items():
        if key not in allowed:
            plain = [name for name in allowed if ON not in name]
            raise UnknownNameError("row of the budget table", key, allowed if ON in key else plain)
        if trained(key) in viewers and row.augment != Augment():
            raise StudyError(
                f"budget.{key}.augment: {trained(key)} makes its own views of the images; leave the key out"
            )


def pretext_rows(study: Study, pretext: str) -> Iterator[tuple[str, Budget]]:
    """The rows of a pretext, on all encoders and on single ones."""
    return ((key, row) for key, row in study.budget.items() if trained(key) == pretext)
