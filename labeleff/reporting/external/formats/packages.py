"""Optional packages that read files of tables, imported when such a file is read."""

from __future__ import annotations

import importlib
from types import ModuleType

from labeleff.errors import OptionError


def needed(module: str, source: str, kind: str) -> ModuleType:
    """Import a module of the extra `tables`. Raises OptionError, with the way to install it, where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise OptionError(
            f"{source}: {kind} are read by {package}, which isn't installed; pip install 'labeleff[tables]'"
        ) from error
