"""All that a plug-in of another package imports: declarations, interfaces, training, seeded randomness.

Names are imported on first use, so that a declaration (`Plugin`) costs no torch. What isn't listed here is internal
and may move.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeleff.catalogue.declaration import Plugin as Plugin
    from labeleff.catalogue.declaration import Spec as Spec
    from labeleff.errors import LabeleffError as LabeleffError
    from labeleff.errors import PluginError as PluginError
    from labeleff.plugins.encoders.interface import Encoder as Encoder
    from labeleff.plugins.encoders.interface import Reader as Reader
    from labeleff.plugins.encoders.interface import linear_head as linear_head
    from labeleff.plugins.pretexts.interface import PretextRun as PretextRun
    from labeleff.plugins.pretexts.interface import Pretrained as Pretrained
    from labeleff.plugins.pretexts.interface import Unlabelled as Unlabelled
    from labeleff.plugins.pretexts.interface import pretext as pretext
    from labeleff.plugins.protocols.interface import Fitted as Fitted
    from labeleff.plugins.protocols.interface import Labelled as Labelled
    from labeleff.plugins.protocols.interface import LabelledFeatures as LabelledFeatures
    from labeleff.plugins.protocols.interface import Prepared as Prepared
    from labeleff.seeding import stream_seed as stream_seed
    from labeleff.study.cell import Augment as Augment
    from labeleff.study.cell import Budget as Budget
    from labeleff.training.device import Compute as Compute
    from labeleff.training.examples import Examples as Examples
    from labeleff.training.examples import Source as Source
    from labeleff.training.examples import Task as Task
    from labeleff.training.goals.classification import CLASSES as CLASSES
    from labeleff.training.goals.classification import Classes as Classes
    from labeleff.training.goals.depth import Depth as Depth
    from labeleff.training.goals.interface import Goal as Goal
    from labeleff.training.goals.segmentation import PixelClasses as PixelClasses
    from labeleff.training.hashed_random import below as below
    from labeleff.training.hashed_random import hash32 as hash32
    from labeleff.training.hashed_random import hold_out as hold_out
    from labeleff.training.hashed_random import normal as normal
    from labeleff.training.hashed_random import permutations as permutations
    from labeleff.training.hashed_random import uniform as uniform
    from labeleff.training.images import Batch as Batch
    from labeleff.training.images import Normalisation as Normalisation
    from labeleff.training.images import ResidentImages as ResidentImages
    from labeleff.training.loop import train as train
    from labeleff.training.slots import Objective as Objective
    from labeleff.training.slots import Progress as Progress
    from labeleff.training.slots import Slot as Slot

_HOMES = {
    "labeleff.catalogue.declaration": ("Plugin", "Spec"),
    "labeleff.errors": ("LabeleffError", "PluginError"),
    "labeleff.plugins.encoders.interface": ("Encoder", "Reader", "linear_head"),
    "labeleff.plugins.pretexts.interface": ("PretextRun", "Pretrained", "Unlabelled", "pretext"),
    "labeleff.plugins.protocols.interface": ("Fitted", "Labelled", "LabelledFeatures", "Prepared"),
    "labeleff.seeding": ("stream_seed",),
    "labeleff.study.cell": ("Augment", "Budget"),
    "labeleff.training.device": ("Compute",),
    "labeleff.training.examples": ("Examples", "Source", "Task"),
    "labeleff.training.goals.classification": ("CLASSES", "Classes"),
    "labeleff.training.goals.depth": ("Depth",),
    "labeleff.training.goals.interface": ("Goal",),
    "labeleff.training.goals.segmentation": ("PixelClasses",),
    "labeleff.training.hashed_random": ("below", "hash32", "hold_out", "normal", "permutations", "uniform"),
    "labeleff.training.images": ("Batch", "Normalisation", "ResidentImages"),
    "labeleff.training.loop": ("train",),
    "labeleff.training.slots": ("Objective", "Progress", "Slot"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'labeleff.api' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOME_OF)
