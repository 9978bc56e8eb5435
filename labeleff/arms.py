"""Names of arms: pretext and protocol, with options only where names alone don't tell them apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from labeleff.cell import OptionValue, Spec


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
    values: dict[tuple[str, str], set[OptionValue]] = {}
    for spec in distinct.values():
        for key, value in spec.options.items():
            values.setdefault((spec.name, key), set()).add(value)
    return {label: _short(spec, values) for label, spec in distinct.items()}


def _short(spec: Spec, values: Mapping[tuple[str, str], Collection[OptionValue]]) -> str:
    """The name with those options of which there are several values, by name and option."""
    options = {key: value for key, value in spec.options.items() if len(values[spec.name, key]) > 1}
    return Spec(name=spec.name, options=options).label


def arm_names(arms: Sequence[Paired]) -> list[str]:
    """The arms' names, e.g. `rotation/finetune` or, beside another file, `file(path=a.safetensors)/linear`."""
    pretexts, protocols = (told_apart(getattr(arm, kind) for arm in arms) for kind in ("pretext", "protocol"))
    return [f"{pretexts[arm.pretext.label]}/{protocols[arm.protocol.label]}" for arm in arms]
