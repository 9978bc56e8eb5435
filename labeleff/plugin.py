"""What a plug-in says of itself: its name, its options with defaults, where its code lives. No torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from labeleff.cell import OptionValue

Kind = Literal["task", "encoder", "pretext", "protocol"]
Examples = Literal["images", "stories", "either"]


@dataclass(frozen=True)
class Plugin:
    """One entry: what it is called, what it does in a clause, its options' defaults, its code."""

    name: str
    clause: str
    target: str
    """`module:function`."""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    later: tuple[str, ...] = ()
    """Options that came after records had been written: a spec has them only where they differ from the default, so
    that older records keep their keys."""
    required: tuple[str, ...] = ()
    """Options that a study must give."""
    choices: Mapping[str, tuple[OptionValue, ...]] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    """The most that a number may be; every number is over 0."""
    trained: bool = True
    """Pretexts and protocols: it runs the optimiser, so the budget table must have a row for it."""
    loaded: bool = False
    """Pretexts: it takes weights from outside, once, and needs no budget."""
    pool: int | None = None
    """Tasks: number of training examples where it is fixed; an option named `train` takes its place."""
    classes: int | None = None
    """Tasks: number of classes where it is fixed."""
    needs: tuple[str, str] | None = None
    """A package that isn't always there, and the extra of labeleff that brings it."""
    own_views: bool = False
    """Pretexts: it makes its own views of the images, so its budget row may not augment them."""
    examples: Examples = "images"
    """What a task consists of, or what an encoder, pretext or protocol works on."""
    goal: str = "classes"
    """Tasks: what is learned, a name of `metrics.GOALS`; the task's `goal` has the same."""
    dense: bool = False
    """Protocols: it also works where every pixel has a label."""
    prepare: str | None = None
    """Protocols: the function, in the same module, that makes a cell ready to be trained together with others."""
    unlabelled: bool = False
    """Protocols: it also gets the other training images, without their labels; an epoch is all of them."""
    images_of: str = ""
    """Tasks: the task whose training images these are, given the same options; both take one pretrained encoder."""
    narrow: str | None = None
    """Encoders: the function, in the same module, that builds a narrower one for images of other channels, if any."""
    split: bool = False
    """Pretexts: what is trained is a pair of narrow encoders, one for lightness and one for colour."""
    augmented: bool = False
    """Pretexts: two augmentations of an image are compared, so its budget row must have one."""

    @property
    def missing(self) -> str | None:
        """What is to be installed before this can be used, as people type it; None where nothing is."""
        if self.needs is None or importlib.util.find_spec(self.needs[0]) is not None:
            return None
        return f"pip install 'labeleff[{self.needs[1]}]'"

    @property
    def makes_encoder(self) -> bool:
        """Pretexts: whether it changes the encoder, by training or by weights from outside."""
        return self.trained or self.loaded

    def pool_of(self, options: Mapping[str, OptionValue]) -> int | None:
        """Number of training examples of a task with these options; None where only the data can tell."""
        if "train" in options:
            return int(options["train"])
        return STORIES[str(options["size"])] if self.examples == "stories" else self.pool


STORIES = {"1k": 1_000, "10k": 10_000}
"""Training questions of a bAbI task, by its option `size`."""
