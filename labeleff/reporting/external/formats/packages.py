"""Optional packages that read files of tables, imported when such a file is read, and what they raise."""

from __future__ import annotations

import importlib
from types import ModuleType

from labeleff.errors import OptionError

LONGEST = 100
"""Largest number of characters of a foreign error that is shown."""


def needed(module: str, source: str, kind: str) -> ModuleType:
    """Import a module of the extra `tables`. Raises OptionError, with the way to install it, where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise OptionError(
            f"{source}: {kind} are read by {package}, which isn't installed; pip install 'labeleff[tables]'"
        ) from error


def reason(error: BaseException) -> str:
    """A foreign error's first line for an error of one line: without control characters, and not too long."""
    line = str(error).partition("\n")[0] or type(error).__name__
    return "".join(each if each.isprintable() else "?" for each in line)[:LONGEST]
