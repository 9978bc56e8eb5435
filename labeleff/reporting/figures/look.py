"""How figures are drawn, whatever they show: kinds of files, size, letters, which arms, and what these are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from labeleff.errors import OptionError, UnknownNameError
from labeleff.study.option_values import in_range, pairs, unfit_names

Kind = Literal["png", "svg", "pdf"]
KINDS: tuple[Kind, ...] = ("png", "svg", "pdf")
NONE = "none"
SMALLEST, LARGEST = 1.0, 40.0
"""Least and largest width and height of a figure, in inches."""


@dataclass(frozen=True)
class Look:
    """How figures are drawn."""

    kinds: tuple[Kind, ...] = ("png",)
    """Kinds of files; empty where no figure is drawn."""
    every: bool = False
    """Whether every figure is drawn, or only the first, which a report's head has."""
    size: tuple[float, float] | None = None
    """Width and height in inches; None leaves them to each figure."""
    font_size: float | None = None
    """Size of most letters in points, after which smaller and larger ones go; None: 10."""
    arms: tuple[str, ...] = ()
    """Arms to draw, in this order; empty for all."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What arms are called in figures, where not by their own names."""

    def name(self, arm: str) -> str:
        """What an arm is called."""
        return self.names.get(arm, arm)

    def among(self, known: Sequence[str]) -> Look:
        """The look with its arms found among those that are `known`, where texts may list several with commas.

        Raises UnknownNameError for arms and names of arms that aren't known, OptionError for repeated arms.
        """
        for arm in self.names:
            if arm not in known:
                raise UnknownNameError("arm of --name", arm, known)
        arms = [arm for text in self.arms for arm in ([text] if text in known else _listed(text))]
        for arm in arms:
            if arm not in known:
                raise UnknownNameError("arm of --arms", arm, known)
            if arms.count(arm) > 1:
                raise OptionError(f"--arms: found {arm!r} twice, expected every arm once")
        return replace(self, arms=tuple(arms))

    @property
    def options(self) -> Iterator[str]:
        """Words of a command line that ask for this look."""
        if self.every or not self.kinds:
            yield from ("--figures", ",".join(self.kinds) or NONE)
        if self.size is not None:
            yield from ("--figure-size", "x".join(f"{side:g}" for side in self.size))
        if self.font_size is not None:
            yield from ("--font-size", f"{self.font_size:g}")
        for arm in self.arms:
            yield from ("--arms", arm)
        for arm, name in self.names.items():
            yield from ("--name", f"{arm}={name}")


def _listed(text: str) -> list[str]:
    """Split a text at commas that aren't in parentheses."""
    return [part.strip() for part in re.split(r",(?![^()]*\))", text)]


def look(
    figures: str | None, size: str | None, font_size: float | None, arms: Iterable[str], names: Iterable[str]
) -> Look:
    """The look that options of a command line ask for. Raises OptionError naming the option that can't be used."""
    if font_size is not None:
        in_range("--font-size", font_size, "a size in points from 4 to 40", least=4, most=40)
    by_arm = pairs(names, "--name", "ARM=NAME, e.g. rotation/linear=Rotation", "one name an arm")
    if problem := unfit_names(by_arm):
        raise OptionError(f"--name: {problem}")
    chosen = Look(size=_size(size), font_size=font_size, arms=tuple(arms), names=by_arm)
    return chosen if figures is None else replace(chosen, kinds=_kinds(figures), every=True)


def _kinds(text: str) -> tuple[Kind, ...]:
    if text.strip() == NONE:
        return ()
    asked = _listed(text)
    for name in asked:
        if name not in KINDS:
            raise UnknownNameError("kind of --figures", name, (*KINDS, NONE))
    return tuple(kind for kind in KINDS if kind in asked)


def _size(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    expected = f"WIDTHxHEIGHT in inches from {SMALLEST:g} to {LARGEST:g}, e.g. 3.5x2.6"
    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*[xX×]\s*(\d*\.?\d+)\s*", text)
    sides = [float(side) for side in found.groups()] if found else []
    if not sides or not all(SMALLEST <= side <= LARGEST for side in sides):
        raise OptionError(f"--figure-size: found {text!r}, expected {expected}")
    return sides[0], sides[1]
