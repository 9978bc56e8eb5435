"""labeleff: how many labels is pretraining worth?

`labeleff.invert` answers the core question for anybody's measurements: at how many labels does a curve of
accuracies reach a target? It is imported when it is first asked for, so that the command line starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeleff.curve import Inversion, invert

__version__ = "0.1.0"
__all__ = ["Inversion", "__version__", "invert"]


def __getattr__(name: str) -> Any:
    if name in {"Inversion", "invert"}:
        from labeleff import curve

        return getattr(curve, name)
    raise AttributeError(f"module 'labeleff' has no attribute {name!r}")
