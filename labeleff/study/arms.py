"""Arms: a pretext, a protocol and the way in which labels are selected, as a study writes them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pydantic import SerializerFunctionWrapHandler, field_validator, model_serializer

from labeleff.catalogue import declaration, lookup, presets
from labeleff.catalogue.declaration import Frozen, Plugin, Spec, as_toml
from labeleff.catalogue.strategies import RANDOM, check_strategy, find_strategy
from labeleff.errors import StudyError


class Arm(Frozen):
    """A way from images to an accuracy: a pretext, then a protocol, on labels that are drawn or selected."""

    pretext: Spec
    protocol: Spec
    selection: str = RANDOM
    """Strategy that selects labels above the first rung; `random` takes those of the draw."""

    @field_validator("selection")
    @classmethod
    def _known(cls, name: str) -> str:
        return name if name == RANDOM else find_strategy(name).name

    @model_serializer(mode="wrap")
    def _without_default(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        table: dict[str, Any] = write(self)
        return {key: value for key, value in table.items() if key != "selection" or value != RANDOM}

    @property
    def selected(self) -> str | None:
        """The strategy that selects its labels; None where the draw does."""
        return None if self.selection == RANDOM else self.selection

    @functools.cached_property
    def pretext_plugin(self) -> Plugin:
        """The declaration of the pretext."""
        return lookup.find("pretext", self.pretext.name)

    @functools.cached_property
    def protocol_plugin(self) -> Plugin:
        """The declaration of the protocol."""
        return lookup.find("protocol", self.protocol.name)

    def check_installed(self) -> None:
        """Raise OptionError naming the extra where a package is missing; nothing is imported."""
        lookup.check_installed("pretext", self.pretext.name)
        lookup.check_installed("protocol", self.protocol.name)
        if self.selected:
            check_strategy(self.selected)

    def plain(self, name: str) -> str:
        """The name of this arm without the selection: of its row in the budget table, shared by all selections."""
        return name.removesuffix(f"@{self.selection}")


def parse_spec(kind: declaration.Kind, value: Any) -> Spec:
    """Parse a spec: `"name"`, `{name = "name", option = value, ...}` or, as in records, a table with `options`."""
    if isinstance(value, str):
        return lookup.complete(kind, value, {})
    recorded = isinstance(value, Mapping) and set(value) == {"name", "options"}
    if recorded and isinstance(value["options"], Mapping):
        return lookup.complete(kind, value["name"], value["options"])
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        options = {k: v for k, v in value.items() if k != "name"}
        return lookup.complete(kind, value["name"], presets.options(value["name"], options))
    raise StudyError(f"{kind}: found {as_toml(value)}, expected a name or a table like {{name = ..., option = ...}}")


def parse_arm(value: Any) -> Arm:
    """Parse an arm: `"pretext/protocol"`, with `@strategy` behind it, or a table `{pretext = ..., protocol = ...}`."""
    if isinstance(value, Arm):
        return value
    if isinstance(value, str) and value.count("/") == 1:
        pretext, rest = value.split("/")
        protocol, at, selection = rest.partition("@")
        selection = selection if at else RANDOM
    elif isinstance(value, Mapping) and {"pretext", "protocol"} <= set(value) <= {"pretext", "protocol", "selection"}:
        pretext, protocol, selection = value["pretext"], value["protocol"], value.get("selection", RANDOM)
    else:
        raise StudyError(
            f"arms: found {as_toml(value)}, expected 'pretext/protocol', 'pretext/protocol@strategy' or "
            "{pretext = ..., protocol = ...}"
        )
    if not isinstance(selection, str):
        raise StudyError(f"selection of an arm: found {as_toml(selection)}, expected one name, as 'margin'")
    return Arm(pretext=parse_spec("pretext", pretext), protocol=parse_spec("protocol", protocol), selection=selection)
