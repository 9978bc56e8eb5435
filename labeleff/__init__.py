"""labeleff: how many labels is pretraining worth?

`labeleff.invert` and `labeleff.utility` answer the core questions for anybody's measurements: at how many labels does
a curve of accuracies reach a target, and how many more labels does a baseline need for what another arm reaches? They
are imported when they are first asked for, so that the command line starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeleff.curves.inversion import Inversion
    from labeleff.curves.methods import invert
    from labeleff.curves.utility import UtilityPoint, utility

__version__ = "0.1.0"
__all__ = ["Inversion", "UtilityPoint", "__version__", "invert", "utility"]
_HOMES = {
    "Inversion": "labeleff.curves.inversion",
    "UtilityPoint": "labeleff.curves.utility",
    "invert": "labeleff.curves.methods",
    "utility": "labeleff.curves.utility",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'labeleff' has no attribute {name!r}")
