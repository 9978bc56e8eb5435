"""What a plug-in says of itself: its name, its options with defaults, where its code lives. No torch."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labeleff.errors import UnknownNameError

OptionValue = bool | int | float | str


class Frozen(BaseModel):
    """A checked value that can't be changed and knows no extra fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, which remembers nothing of what the original has computed of itself."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


class Spec(Frozen):
    """A plug-in by name with all its options, e.g. `resnet9` with `width = 0.25`."""

    name: str
    options: dict[str, OptionValue] = Field(default_factory=dict)

    @functools.cached_property
    def label(self) -> str:
        """The name and every option but empty ones, as people read it: `resnet9(width=0.25)`."""
        inside = ", ".join(f"{key}={value}" for key, value in sorted(self.options.items()) if value != "")
        return f"{self.name}({inside})" if inside else self.name


def complaint(error: ValidationError, model: type[BaseModel]) -> str:
    """The first complaint about a table that should have been a `model`; an unknown key gets the nearest match."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return str(UnknownNameError("key", where, _fields_at(model, first["loc"][:-1])))
    cause = first.get("ctx", {}).get("error", first["msg"])
    found = "" if first["type"] in {"missing", "value_error"} else f"; found {first['input']!r}"
    return f"{f'{where}: ' if where else ''}{cause}{found}"


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Names of the fields of the table at `path`; parts that are no field name rows."""
    for part in path:
        if str(part) in model.model_fields:
            inner = next(_models(model.model_fields[str(part)].annotation), None)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The checked types inside an annotation such as `dict[str, Steps] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


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
