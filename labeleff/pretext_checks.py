"""What the pretexts of a study ask of its encoders and budgets."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from labeleff import catalogue
from labeleff.cell import Augment, Budget, Spec
from labeleff.errors import StudyError
from labeleff.plugin import Plugin


def check_pretexts(
    pretexts: Sequence[tuple[Spec, Plugin]], encoders: Sequence[Spec], budgets: Mapping[str, Budget]
) -> None:
    """Raises StudyError for an encoder that can't be split, and for views that no augmentation makes different."""
    for (_, plugin), encoder in itertools.product(pretexts, encoders):
        if plugin.split:
            check_split(encoder)
    for pretext, plugin in pretexts:
        row = budgets.get(pretext.name)
        if plugin.augmented and row is not None and _alike(row.augment):
            raise StudyError(
                f"budget.{pretext.name}.augment: found {row.augment}, expected crop, jitter or cutout: without, the "
                "two augmentations of an image that are compared would be equal"
            )


def check_split(encoder: Spec) -> None:
    """Raises StudyError for an encoder of which there is no narrow version."""
    if catalogue.lookup("encoder", encoder.name).narrow is None:
        able = ", ".join(plugin.name for plugin in catalogue.plugins("encoder") if plugin.narrow)
        users = ", ".join(plugin.name for plugin in catalogue.plugins("pretext") if plugin.split)
        raise StudyError(
            f"encoder {encoder.name!r} has no narrow version, and can't be split into lightness and colour as {users} "
            f"needs it; choose one of {able}"
        )


def _alike(augment: Augment) -> bool:
    """Whether two views, which have one flip, can't differ."""
    return augment.model_copy(update={"flip": False, "words": None}) == Augment()
