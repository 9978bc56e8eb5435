"""The one table of a file that has several: named by the user, or the only one."""

from __future__ import annotations

from collections.abc import Mapping

from labeleff.errors import RunsError, UnknownNameError


def choose(source: str, kind: str, known: Mapping[str, str], wanted: str | None) -> tuple[str, list[str]]:
    """Name of the table to read, and a note where it isn't the only one.

    `known` has names or numbers of the tables, in their order, with what tells them apart ("line 12"); `kind` is what
    the file calls them. Raises RunsError where none or several could be meant, UnknownNameError for one that isn't
    there.
    """
    if not known:
        raise RunsError(f"{source}: found no {kind} with cells, expected one")
    if wanted is None and len(known) > 1:
        listed = ", ".join(f"{name} ({what})" if what else repr(name) for name, what in known.items())
        raise RunsError(f"{source}: found {len(known)} {kind}s, expected one; choose by --sheet: {listed}")
    if wanted is not None and wanted not in known:
        raise UnknownNameError(f"--sheet of {source}", wanted, known)
    name = next(iter(known)) if wanted is None else wanted
    return name, [f"{kind} {name!r} of {len(known)} was read"] if len(known) > 1 else []
