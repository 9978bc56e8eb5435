"""Declarations of plug-ins: name, options with defaults, and where the code lives (no torch)."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from labeleff.errors import UnknownNameError, install

OptionValue = bool | int | float | str
"""Value of one option of a plug-in."""


Whole = Annotated[int, Strict()]
"""A whole number of a study, for which neither true nor text may stand."""
Real = Annotated[float, Strict()]
"""The same for any number."""


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
NEAR_DUPLICATES = "near_duplicates"
"""Option of a task: whether test examples with a near-duplicate in training are left, counted or left out."""
COUNTED = (NEAR_DUPLICATES, "count")
"""The option at the value that changes no example and so names nothing either."""


class Spec(Frozen):
    """A plug-in by name with all its options, e.g. `resnet9` with `width = 0.25`."""

    name: str
    options: dict[str, OptionValue] = Field(default_factory=dict)

    @functools.cached_property
    def label(self) -> str:
        """The name and the options of its identity but empty ones, as people read it: `resnet9(width=0.25)`."""
        return labelled(self.name, self.identity)

    @property
    def identity(self) -> dict[str, OptionValue]:
        """The options without those of a task that change no example; tasks are the plug-ins with a slash in a name."""
        if "/" not in self.name:
            return dict(self.options)
        return {key: value for key, value in self.options.items() if key != PLACE and (key, value) != COUNTED}


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
    if isinstance(value, date | time):  # dates with times are dates too
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else repr(value)


def first_error(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error of a table that should have been a `model`; an unknown key gets the nearest match.

    What is wrong in a study itself comes before its blocks, which inherit it, and an unknown key before a missing one.
    """
    first = min(error.errors(), key=lambda each: (each["loc"][:1] == ("stories",), each["type"] != "extra_forbidden"))
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        text = str(UnknownNameError("key", key, _fields_at(model, first["loc"][:-1])))
        return text.replace(repr(key), repr(where), 1)
    cause = _WORDS.get(first["type"]) or first.get("ctx", {}).get("error", first["msg"])
    found = "" if first["type"] in {"missing", "value_error"} else f"; found {as_toml(first['input'])}"
    return f"{f'{where}: ' if where else ''}{cause}{found}"


_WORDS = {
    "missing": "is missing",
    "too_short": "expected one or more",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected text",
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
    return [*model.model_fields, *getattr(model, "EXPANDED", ())]


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
class Download:
    """What is fetched for a task when it is first used."""

    places: tuple[str, ...]
    """Paths below the data folder, each of which makes a download needless; `{repo}` is the option's value."""
    megabytes: int | None = None
    """Size of what is fetched; None where only its host knows."""


@dataclass(frozen=True)
class Plugin:
    """One plug-in: its name, a clause on what it does, its options' defaults, its code."""

    name: str
    clause: str
    target: str
    """Module and function of the code, joined by a colon."""
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
    zero: tuple[str, ...] = ()
    """Options that may also be 0, which switches something off."""
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
    download: Download | None = None
    """Tasks: what a run fetches where the data folder lacks it."""
    needs: tuple[str, str] | None = None
    """An optional package, and the extra of labeleff that installs it."""
    resumes: bool = False
    """Pretexts: whether an interrupted training goes on from a checkpoint, to the same bits.

    All that its steps change must be in the module that it trains: momentum weights, queues, numbers of steps.
    """
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
    probabilities: bool = True
    """Protocols: whether scores of classes are logits or probabilities before any temperature."""
    prepare: str | None = None
    """Protocols: the function, in the same module, that prepares a cell to be trained together with others."""
    check: str | None = None
    """Pretexts: the function, in the same module, that raises for an encoder, side or options that it can't take."""
    unlabelled: bool = False
    """Protocols: whether it also gets the other training images, without labels; an epoch is then all of them."""
    holds_out: Mapping[str, OptionValue] | None = None
    """Protocols: options with which it sets labels aside to choose by, `{}` for always; None: it never does."""
    beside: float | None = None
    """Protocols: how often a step encodes each image that it draws without a label beside its batch of labelled ones.

    It then has the options `ratio` and `weight` (`cell.drawn_beside`). A pass without gradients counts a third.
    """
    images_of: str = ""
    """Tasks: the task whose training images these are, given the same options; both take one pretrained encoder."""
    narrow: str | None = None
    """Encoders: the function, in the same module, that builds a narrower one for images of other channels, if any."""
    tokens: bool = False
    """Encoders: whether it is a transformer of patches. Pretexts: whether it hides patches and so needs one that is."""
    split: bool = False
    """Pretexts: whether it trains a pair of narrow encoders, one for lightness and one for colour."""
    augmented: bool = False
    """Whether it compares two augmentations of an image, so that its budget row must augment.

    Protocols with an option `weight` of that comparison compare nothing where it is 0.
    """

    @property
    def missing(self) -> str | None:
        """The command that installs what the plug-in lacks, as typed in a shell; None where nothing is missing."""
        if self.needs is None or importlib.util.find_spec(self.needs[0]) is not None:
            return None
        return install(self.needs[1])

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
