"""Short names of specs and arms, as studies, tables and figures have them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from labeleff.catalogue.declaration import OptionValue, Spec


class HasArm(Protocol):
    """An object with a pretext, a protocol and the name of a selection: an arm."""

    @property
    def pretext(self) -> Spec: ...  # noqa: D102

    @property
    def protocol(self) -> Spec: ...  # noqa: D102

    @property
    def selected(self) -> str | None: ...  # noqa: D102


def short_names(specs: Iterable[Spec]) -> dict[str, str]:
    """Short names by full label: the name, with options where several specs of that name differ in them.

    >>> same = [Spec(name="file", options={"path": p, "stem": "refuse"}) for p in ("a.pt", "b.pt")]
    >>> list(short_names([*same, Spec(name="scratch")]).values())
    ['file(path=a.pt)', 'file(path=b.pt)', 'scratch']
    """
    distinct = {spec.label: spec for spec in specs}
    values: dict[tuple[str, str], set[OptionValue]] = {}
    for spec in distinct.values():
        for key, value in spec.options.items():
            values.setdefault((spec.name, key), set()).add(value)
    for name, key in values:
        if any(spec.name == name and key not in spec.options for spec in distinct.values()):
            values[name, key].add("")  # to be without an option is to differ in it
    return {label: _short(spec, values) for label, spec in distinct.items()}


def _short(spec: Spec, values: Mapping[tuple[str, str], Collection[OptionValue]]) -> str:
    """The name of a spec with those options that have several values; `values` are by name and option."""
    options = {key: value for key, value in spec.options.items() if len(values[spec.name, key]) > 1}
    return Spec(name=spec.name, options=options).label


def arm_names(arms: Sequence[HasArm]) -> list[str]:
    """Names of the arms, e.g. `rotation/finetune`, `rotation/finetune@margin` where labels are selected.

    Beside another file a name has its options too: `file(path=a.safetensors)/linear`.
    """
    pretexts, protocols = (short_names(getattr(arm, kind) for arm in arms) for kind in ("pretext", "protocol"))
    ends = [f"@{arm.selected}" if arm.selected else "" for arm in arms]
    return [
        f"{pretexts[arm.pretext.label]}/{protocols[arm.protocol.label]}{end}"
        for arm, end in zip(arms, ends, strict=True)
    ]
