"""Studies loaded by built-in name or from a file, with overrides applied."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labeleff.catalogue import entry_points
from labeleff.catalogue.declaration import first_error
from labeleff.errors import LabeleffError, StudyError, UnknownNameError
from labeleff.study.label_conditions import with_noise_files
from labeleff.study.overrides import assign
from labeleff.study.schema import Study


def with_vectors(study: Study, path: str, base: Path) -> Study:
    """The study with every reader of stories starting from the word vectors in the file `path`.

    That is relative to the working directory, while paths in a study are relative to `base`: it stays as it is where
    both mean one file, and is made absolute where they don't. Raises StudyError where the study has no such reader.
    """
    given = Path(path).expanduser()
    path = path if (base / given).resolve() == given.resolve() else str(given.resolve())

    def with_path(block: Study) -> Study:
        encoders = [
            e.model_copy(update={"options": {**e.options, "vectors": path}}) if "vectors" in e.options else e
            for e in block.encoders
        ]
        blocks = {name: with_path(inner) for name, inner in block.stories.items()}
        return block.model_copy(update={"encoders": encoders, "stories": blocks})

    result = with_path(study)
    if result == study:
        raise StudyError(f"--vectors {path}: study {study.name!r} has no encoder that reads words")
    return result


def built_in() -> list[str]:
    """Names of the studies inside the package."""
    folder = resources.files("labeleff.study")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def _source(study: str) -> tuple[str, str]:
    """Text and source of a study, which is a path that ends in .toml or a built-in name."""
    if study.endswith(".toml"):
        try:
            return Path(study).read_text(encoding="utf-8-sig"), study
        except UnicodeDecodeError as error:
            raise StudyError(f"{study}: not UTF-8 text: {error.reason} at byte {error.start}") from error
        except OSError as error:
            raise StudyError(f"{study}: can't be read: {error.strerror}") from error
    if study not in built_in():
        raise StudyError(f"{UnknownNameError('study', study, built_in())}, or give a path ending in .toml")
    text = (resources.files("labeleff.study") / f"{study}.toml").read_text(encoding="utf-8")
    return text, f"study {study!r}"


def folder_of(study: str) -> Path:
    """Folder below which relative paths in a study are: that of its file; the working directory for other studies."""
    return Path(study).absolute().parent if study.endswith(".toml") else Path.cwd()


def parse_study(table: Mapping[str, Any], source: str) -> Study:
    """Check a study given as nested tables; StudyError beginning with `source` where it is wrong."""
    try:
        return Study.model_validate(dict(table))
    except ValidationError as error:
        raise StudyError(f"{source}: {first_error(error, Study)}") from error
    except LabeleffError as error:
        raise StudyError(f"{source}: {error}") from error


def load_study(study: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Load a built-in study by name, or a file by a path ending in `.toml`, with `key=value` set over it.

    Plug-ins called `module:object` may be in modules beside a study's file. Raises StudyError naming the source and the
    key for everything that is wrong.
    """
    text, source = _source(str(study))
    if str(study).endswith(".toml"):
        entry_points.look_in(folder_of(str(study)))
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{source}: not TOML: {error}") from error
    except RecursionError as error:
        raise StudyError(f"{source}: tables and lists are nested too deep, expected a few levels") from error
    except ValueError as error:  # an integer of thousands of digits
        raise StudyError(f"{source}: not TOML: {str(error).partition(';')[0]}") from error
    for assignment in overrides:
        assign(table, assignment)
    named = source if not overrides else f"{source} with {' '.join(overrides)}"
    return with_noise_files(parse_study(table, named), folder_of(str(study)))
