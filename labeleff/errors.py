"""Every exception of labeleff, one family.

A `LabeleffError` is a user's mistake or a machine's condition: the command line prints its text without a
traceback and exits with `exit_code`. Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LabeleffError(Exception):
    """A mistake a user can put right; the text says where, what was found and what was expected."""

    exit_code = 2


class OptionError(LabeleffError):
    """A command-line option or an argument of a public function can't be used."""


class UnknownNameError(LabeleffError):
    """A name that isn't in its list; the text gives the nearest match and the whole list."""

    def __init__(self, kind: str, found: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(found, names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {found!r}{hint} (known: {', '.join(names) or 'none'})")


class StudyError(LabeleffError):
    """A study file, or a value set over it, is wrong."""


class LadderError(LabeleffError):
    """A requested draw of labels can't be made."""


class DataError(LabeleffError):
    """A data set is missing, incomplete or not what it should be."""


class UnwritableError(DataError):
    """A folder of data can't be written."""


class WeightsError(LabeleffError):
    """Weights from outside can't be fetched, can't be read, or don't fit the encoder."""


class RecordError(LabeleffError):
    """A records file can't be read or written."""


class ConditionError(LabeleffError):
    """Results were measured under different conditions and must not be mixed."""


class CurveError(LabeleffError):
    """A curve can't be fitted or inverted from its measurements."""


class RunsError(LabeleffError):
    """A table of measured runs can't be read, or lacks a column or value that is needed."""


class PluginError(LabeleffError):
    """A plug-in broke its contract (for example a frozen encoder that changed)."""


class InterruptedRunError(LabeleffError):
    """Ctrl-C was pressed: not a mistake, but the run ends here."""

    exit_code = 130


class TerminatedRunError(InterruptedRunError):
    """SIGTERM was received, as schedulers send it: the run ends as with Ctrl-C, with an exit status of its own."""

    exit_code = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM on its way up the stack; code that handles Ctrl-C handles it too.

    It and `TimeUp` are the only exceptions outside the family.
    """


class TimeUp(KeyboardInterrupt):
    """A run's time limit on its way up the stack; the run ends in good order and reports what it has."""
