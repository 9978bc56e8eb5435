"""Names of arms: pretext and protocol, with options only where names alone don't tell them apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from labeleff.cell import Spec


class Paired(Protocol):
    """What has a pretext and a protocol: an arm, or a cell."""

    @property
    def pretext(self) -> Spec: ...  # noqa: D102

    @property
    def protocol(self) -> Spec: ...  # noqa: D102


def told_apart(specs: Iterable[Spec]) -> dict[str, str]:
    """By full label: the name alone where no other spec has it, else with the options in which its namesakes differ.

    >>> same = [Spec(name="file", options={"path": p, "stem": "refuse"}) for p in ("a.pt", "b.pt")]
    >>> list(told_apart([*same, Spec(name="scratch")]).values())
    ['file(path=a.pt)', 'file(path=b.pt)', 'scratch']
    """
    distinct = {spec.label: spec for spec in specs}
    return {label: _among(spec, distinct.values()) for label, spec in distinct.items()}


def _among(spec: Spec, others: Iterable[Spec]) -> str:
    namesakes = [other for other in others if other.name == spec.name]
    differing = {key for other in namesakes for key in other.options if other.options[key] != spec.options.get(key)}
    options = {key: value for key, value in spec.options.items() if key in differing}
    return Spec(name=spec.name, options=options).label


def arm_names(arms: Sequence[Paired]) -> list[str]:
    """The arms' names, e.g. `rotation/finetune` or, beside another file, `file(path=a.safetensors)/linear`."""
    pretexts, protocols = (told_apart(getattr(arm, kind) for arm in arms) for kind in ("pretext", "protocol"))
    return [f"{pretexts[arm.pretext.label]}/{protocols[arm.protocol.label]}" for arm in arms]
