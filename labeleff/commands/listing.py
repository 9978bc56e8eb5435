"""`labeleff list`: built-in studies, presets and all installed plug-ins."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.errors import UnknownNameError

if TYPE_CHECKING:
    from labeleff.catalogue.declaration import Kind, Plugin
    from labeleff.catalogue.entry_points import InstalledPlugin

KINDS: dict[str, "Kind | None"] = {
    "studies": None,
    "tasks": "task",
    "encoders": "encoder",
    "pretexts": "pretext",
    "presets": None,
    "protocols": "protocol",
    "selections": None,
}


def list_plugins(
    kind: Annotated[
        str | None,
        typer.Argument(help="studies, tasks, encoders, pretexts, presets, protocols or selections (default: all)."),
    ] = None,
) -> None:
    """List built-in studies and plug-ins with their options."""
    if kind is not None and kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS)
    show_list([kind] if kind else list(KINDS))


def show_list(kinds: Sequence[str]) -> None:
    """Print studies and plug-ins, one line each, with their options and defaults."""
    from rich.table import Table

    from labeleff.catalogue import lookup, presets, strategies
    from labeleff.commands.plan_tables import wide_console
    from labeleff.study.loading import built_in, load_study

    console = wide_console()
    for name in kinds:
        kind = KINDS[name]
        table = Table("name", "what it is", "options", title=name, title_justify="left")
        if name == "studies":
            for study in built_in():
                table.add_row(study, load_study(study).title, "")
        elif name == "selections":
            table.add_row(strategies.RANDOM, "labels in the order of the draw, as the baseline always has them", "")
            for one in (*strategies.STRATEGIES, strategies.find_strategy(f"{strategies.ACTIVEML}NAME")):
                table.add_row(one.name, _clause(one), "")
        elif kind is None:
            table.add_column("budget")
            for preset in presets.PRESETS:
                label = f"{preset.pretext}: {preset.name}"
                table.add_row(label, preset.clause, _list_options(preset.options), _list_options(preset.budget))
        else:
            for plugin in lookup.plugins(kind):
                table.add_row(plugin.name, _clause(plugin), _list_options(plugin.options))
            for other in lookup.installed_plugins(kind):
                table.add_row(other.name, *_other(other))
        console.print(table)


def _clause(plugin: "Plugin") -> str:
    return f"{plugin.clause}; not installed: {plugin.missing}" if plugin.missing else plugin.clause


def _list_options(options: Mapping[str, object]) -> str:
    shown = (
        (key, f"{value:.3g}" if len(repr(value)) > 8 and isinstance(value, float) else repr(value))
        for key, value in options.items()
    )
    return ", ".join(f"{key}={value}" for key, value in shown)


def _other(other: "InstalledPlugin") -> tuple[str, str]:
    """Describe a plug-in of another package, or say why it is broken, and list its options."""
    if other.plugin is None:
        return f"broken, from {other.package}: {other.problem}", ""
    return f"{other.plugin.clause}; from {other.package}", _list_options(other.plugin.options)
