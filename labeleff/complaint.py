"""Pydantic's complaints in one line: where, what was found, what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from labeleff.errors import UnknownNameError


def complaint(error: ValidationError, model: type[BaseModel]) -> str:
    """The first complaint about a table that should have been a `model`; an unknown key gets the nearest match."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return str(UnknownNameError("key", where, _fields_at(model, first["loc"][:-1])))
    cause = first.get("ctx", {}).get("error", first["msg"])
    found = "" if first["type"] in {"missing", "value_error"} else f"; found {first['input']!r}"
    return f"{f'{where}: ' if where else ''}{cause}{found}"


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Names of the fields of the table at `path`; parts that are no field name rows."""
    for part in path:
        if str(part) in model.model_fields:
            inner = next(_models(model.model_fields[str(part)].annotation), None)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The checked types inside an annotation such as `dict[str, Steps] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)
