"""Files found by a pattern of paths: `results/{arm}/{task}/train-{n}-{draw}/results.json`, its fields as values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.grid import counted

MOST = 5
"""Largest number of paths that an error lists."""

_PART = re.compile(r"\{([^{}/]*)\}|(\*)")
_KINDS = {
    "n": r"[0-9][0-9.,]*[kKmM%x]?|full|all",
    **dict.fromkeys(("run", "draw", "seed"), "[0-9]+"),
}
"""What fields of these names match; others match any text within one name."""


@dataclass(frozen=True)
class Match:
    """A path that matches a whole pattern, or its first parts."""

    path: Path
    values: Mapping[str, str]
    """Values of the pattern's fields by name."""


@dataclass(frozen=True)
class Matches:
    """What a pattern finds."""

    files: Sequence[Match]
    lacking: Sequence[Path]
    """Folders that match all but the last part of the pattern, and hold nothing that matches it."""


def fields(pattern: str) -> tuple[str, ...]:
    """Names of a pattern's fields in their order, each once. Raises OptionError for a pattern that can't be used."""
    names = [part[1] for part in _PART.finditer(pattern) if part[2] is None]
    wrong = next((name for name in names if not name.isidentifier()), None)
    rest = _PART.sub("", pattern)
    if wrong is not None or "{" in rest or "}" in rest or not names:
        found = f"{pattern!r}" if wrong is None else f"the field {{{wrong}}}"
        example = "results/{arm}/{task}/train-{n}-{draw}/results.json"
        raise OptionError(f"--from: found {found}, expected names of columns in braces, as {example}")
    return tuple(dict.fromkeys(names))


def find(pattern: str, below: Path | None = None) -> Matches:
    """Find the files that match, in order; a relative pattern begins in the folder `below` (default: the current one).

    Raises RunsError that shows how far the pattern matched where no file does, and where a name can be split into
    fields in two ways; OptionError for a pattern that can't be used.
    """
    fields(pattern)
    root = Path(pattern).anchor
    parts = [part for part in Path(pattern).parts if part != root]
    reached = [Match(Path(root) if root else below or Path(), {})]
    lacking: list[Path] = []
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        further: list[Match] = []
        for match in reached:
            found = _step(match, part, files=last)
            further += found
            if last and not found:
                lacking.append(match.path)
        if not further:
            raise RunsError(_how_far("/".join(parts[:at]), part, reached))
        reached = further
    return Matches(reached, lacking)


def _step(match: Match, part: str, *, files: bool) -> list[Match]:
    """Matches one name further down."""
    if not _PART.search(part):
        path = match.path / part
        return [Match(path, match.values)] if (path.is_file() if files else path.is_dir()) else []
    found = []
    for path in sorted(match.path.iterdir() if match.path.is_dir() else (), key=_natural):
        values = _values(part, path, match.values)
        if values is not None and (path.is_file() if files else path.is_dir()):
            found.append(Match(path, {**match.values, **values}))
    return found


def _natural(path: Path) -> list[tuple[int, str]]:
    """Order of names in which train-50 is before train-100."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", path.name)]


def _values(part: str, path: Path, known: Mapping[str, str]) -> dict[str, str] | None:
    """Values of the fields of one part of a pattern in a name; None where the name doesn't match."""
    greedy, lazy = (re.fullmatch(_expression(part, known, much), path.name) for much in ("+", "+?"))
    if greedy is None or lazy is None:
        return None
    one, other = greedy.groupdict(), lazy.groupdict()
    if one != other:
        shown = " or ".join(", ".join(f"{name} = {value!r}" for name, value in way.items()) for way in (one, other))
        raise RunsError(f"--from: {path} matches {part} in two ways, {shown}; expected one")
    return one


def _expression(part: str, known: Mapping[str, str], much: str) -> str:
    """Regular expression of one part of a pattern; fields that are known already match their value alone."""
    pieces, at, seen = [], 0, dict(known)
    for field in _PART.finditer(part):
        pieces.append(re.escape(part[at : field.start()]))
        name, at = field[1], field.end()
        if name is None:
            pieces.append(".*")
        elif name in seen:
            pieces.append(re.escape(seen[name]) if name in known else f"(?P={name})")
        else:
            pieces.append(f"(?P<{name}>{_KINDS.get(name, f'.{much}')})")
            seen[name] = ""
    return "".join([*pieces, re.escape(part[at:])])


def _how_far(before: str, part: str, reached: Sequence[Match]) -> str:
    """The text of an error: what matched, what didn't, and what is there."""
    first = reached[0].path
    names = sorted(path.name for path in first.iterdir()) if first.is_dir() else []
    listed = ", ".join(map(repr, names[:MOST])) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
    kind = f"{before} matched {counted(len(reached), 'folder')}, but nothing" if before else "nothing"
    return f"--from: {kind} below it matches {part}: {first}/ has {listed or 'nothing'}"
