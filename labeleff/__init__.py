"""labeleff: how many labels is pretraining worth?

`labeleff.run`, `labeleff.report` and `labeleff.compare` do what the commands of these names do, and return what they
find. `labeleff.invert` and `labeleff.utility` answer the core questions for anybody's measurements: at how many labels
does a curve of accuracies reach a target, and how many more labels does a baseline need for what another arm reaches?
`labeleff.forecast` predicts accuracy and labels from the few rungs of a pilot, and `labeleff.probe` says how many
labels the features of several encoders save. Where runs themselves aren't known, a `labeleff.Mean` stands for those of
a rung.
All are imported on first use, so that the command line starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeleff.commands.functions import compare as compare
    from labeleff.commands.functions import report as report
    from labeleff.commands.functions import run as run
    from labeleff.commands.probe import probe as probe
    from labeleff.curves.forecast import Forecast as Forecast
    from labeleff.curves.forecast import forecast as forecast
    from labeleff.curves.inversion import Inversion as Inversion
    from labeleff.curves.solvers import invert as invert
    from labeleff.curves.utility import UtilityPoint as UtilityPoint
    from labeleff.curves.utility import utility as utility
    from labeleff.files import VERSION as __version__  # noqa: F401
    from labeleff.records.jsonl import read_records as read_records
    from labeleff.reporting.results import Results as Results
    from labeleff.stats.stand_ins import Mean as Mean
    from labeleff.study.loading import load_study as load_study

_HOMES = {
    "Forecast": "labeleff.curves.forecast:Forecast",
    "Inversion": "labeleff.curves.inversion:Inversion",
    "Mean": "labeleff.stats.stand_ins:Mean",
    "Results": "labeleff.reporting.results:Results",
    "UtilityPoint": "labeleff.curves.utility:UtilityPoint",
    "__version__": "labeleff.files:VERSION",
    "compare": "labeleff.commands.functions:compare",
    "forecast": "labeleff.curves.forecast:forecast",
    "invert": "labeleff.curves.solvers:invert",
    "load_study": "labeleff.study.loading:load_study",
    "probe": "labeleff.commands.probe:probe",
    "read_records": "labeleff.records.jsonl:read_records",
    "report": "labeleff.commands.functions:report",
    "run": "labeleff.commands.functions:run",
    "utility": "labeleff.curves.utility:utility",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module 'labeleff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
