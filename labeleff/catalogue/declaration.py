"""Declarations of plug-ins: name, options with defaults, and where the code lives (no torch)."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labeleff.errors import UnknownNameError

OptionValue = bool | int | float | str
"""Value of one option of a plug-in."""


class Frozen(BaseModel):
    """A checked value that can't be changed and knows no extra fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, without the original's cached properties."""
        copy = super().model_copy(update=update, deep=deep)
        for name in copy.__dict__.keys() - type(self).model_fields.keys():
            del copy.__dict__[name]
        return copy


PLACE = "path"
"""Option of a task that says where its data lie. The data's bytes are compared in its place, so it names nothing."""


class Spec(Frozen):
    """A plug-in by name with all its options, e.g. `resnet9` with `width = 0.25`."""

    name: str
    options: dict[str, OptionValue] = Field(default_factory=dict)

    @functools.cached_property
    def label(self) -> str:
        """The name and every option but empty ones and a task's place, as people read it: `resnet9(width=0.25)`."""
        return labelled(self.name, self.identity)

    @property
    def identity(self) -> dict[str, OptionValue]:
        """The options without the place of a task's data; tasks are the plug-ins with a slash in their name."""
        return {key: value for key, value in self.options.items() if key != PLACE or "/" not in self.name}


def labelled(name: str, options: Mapping[str, OptionValue]) -> str:
    """A name with its options but empty ones, as people read it."""
    inside = ", ".join(f"{key}={value}" for key, value in sorted(options.items()) if value != "")
    return f"{name}({inside})" if inside else name


def as_toml(value: object) -> str:
    """Write a value as a study has it, in TOML on one line; what TOML doesn't know is written as in Python."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {as_toml(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def first_error(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error of a table that should have been a `model`; an unknown key gets the nearest match."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return str(UnknownNameError("key", where, _fields_at(model, first["loc"][:-1])))
    cause = _WORDS.get(first["type"]) or first.get("ctx", {}).get("error", first["msg"])
    found = "" if first["type"] in {"missing", "value_error"} else f"; found {as_toml(first['input'])}"
    return f"{f'{where}: ' if where else ''}{cause}{found}"


_WORDS = {
    "missing": "is missing",
    "list_type": "expected a list, as [50, 200]",
    "model_type": "expected a table",
    "dict_type": "expected a table",
}
"""Words for pydantic's types of errors that its own say in terms of Python."""


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Names of the fields of the table at `path`, whose other parts are keys and places of rows."""
    for part in path:
        if str(part) in model.model_fields:
            inner = next(_models(model.model_fields[str(part)].annotation), None)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The pydantic models inside an annotation such as `dict[str, Steps] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


Kind = Literal["task", "encoder", "pretext", "protocol"]
Examples = Literal["images", "stories", "items", "either"]
"""Kinds of examples; items have stored features."""


@dataclass(frozen=True)
class Plugin:
    """One plug-in: its name, a clause on what it does, its options' defaults, its code."""

    name: str
    clause: str
    target: str
    """Place of the code, as `module:function`."""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    later: tuple[str, ...] = ()
    """Options added after records had been written, or that are rarely given.

    A spec has them only where they differ from the default, so that older records keep their keys.
    """
    required: tuple[str, ...] = ()
    """Options that a study must give."""
    choices: Mapping[str, tuple[OptionValue, ...]] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    """Largest values of numbers, by option; every number is over 0."""
    trained: bool = True
    """Pretexts and protocols: whether it runs the optimiser, so that the budget table must have a row for it."""
    loaded: bool = False
    """Pretexts: whether it takes weights from outside, once, and needs no budget."""
    pool: int | None = None
    """Tasks: number of training examples where it is fixed; an option named `train` takes its place."""
    more: int = 0
    """Tasks: number of training images without labels, which pretexts get too."""
    classes: int | None = None
    """Tasks: number of classes where it is fixed."""
    needs: tuple[str, str] | None = None
    """An optional package, and the extra of labeleff that installs it."""
    own_views: bool = False
    """Pretexts: whether it makes its own views of the images, so that its budget row may not augment them."""
    examples: Examples = "images"
    """Kind of examples that a task has, or that an encoder, pretext or protocol works on."""
    goal: str = "classes"
    """Tasks: target type, a name of `metrics.GOALS`; the task's `goal` has the same."""
    dense: bool = False
    """Protocols: whether it also works where every pixel has a label."""
    targets: tuple[str, ...] = ()
    """Protocols: further target types of items that it works on, names of `metrics.GOALS`."""
    prepare: str | None = None
    """Protocols: the function, in the same module, that prepares a cell to be trained together with others."""
    unlabelled: bool = False
    """Protocols: whether it also gets the other training images, without labels; an epoch is then all of them."""
    images_of: str = ""
    """Tasks: the task whose training images these are, given the same options; both take one pretrained encoder."""
    narrow: str | None = None
    """Encoders: the function, in the same module, that builds a narrower one for images of other channels, if any."""
    split: bool = False
    """Pretexts: whether it trains a pair of narrow encoders, one for lightness and one for colour."""
    augmented: bool = False
    """Pretexts: whether it compares two augmentations of an image, so that its budget row must augment."""

    @property
    def missing(self) -> str | None:
        """The command that installs what the plug-in lacks, as typed in a shell; None where nothing is missing."""
        if self.needs is None or importlib.util.find_spec(self.needs[0]) is not None:
            return None
        return f"pip install 'labeleff[{self.needs[1]}]'"

    @property
    def makes_encoder(self) -> bool:
        """Whether a pretext changes the encoder, by training or by weights from outside."""
        return self.trained or self.loaded

    def pool_of(self, options: Mapping[str, OptionValue]) -> int | None:
        """Number of training examples of a task with these options; None where only the data tells."""
        if "train" in options:
            return int(options["train"])
        return STORIES[str(options["size"])] if self.examples == "stories" else self.pool


STORIES = {"1k": 1_000, "10k": 10_000}
"""Number of training questions of a bAbI task, by its option `size`."""
