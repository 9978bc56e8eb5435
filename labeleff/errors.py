"""Every exception of labeleff, one family, and the import of optional packages that raises one.

A `LabeleffError` is a user's mistake or a machine's condition: the command line prints its text without a
traceback and exits with `exit_code`. Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable
from types import ModuleType


class LabeleffError(Exception):
    """A mistake a user can put right; the text says where, what was found and what was expected."""

    exit_code = 2

    def __reduce__(self) -> tuple[Callable[..., LabeleffError], tuple[type[LabeleffError], str]]:
        """Pickle by the text alone, which some are made of other arguments than."""
        return self.__class__.__new__, (self.__class__, str(self))


class OptionError(LabeleffError):
    """A command-line option or an argument of a public function can't be used."""


def install(extra: str) -> str:
    """Give the command that installs an extra of labeleff, as typed in a shell."""
    return f"pip install 'labeleff[{extra}]'"


class MissingPackageError(OptionError):
    """Packages of an extra aren't installed; the text says what needs them, and the command that installs them."""

    def __init__(self, what: str, extra: str, *packages: str) -> None:
        """Begin with `what`, which ends in `need` or `needs`."""
        verb = "isn't" if len(packages) == 1 else "aren't"
        super().__init__(f"{what} {' and '.join(packages)}, which {verb} installed; {install(extra)}")


def optional(module: str, what: str, extra: str) -> ModuleType:
    """Import a module of an extra's package, for `what`, which ends in `need` or `needs`.

    Raises MissingPackageError where the package isn't there, OptionError where it is there and can't be imported.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == package:
            raise MissingPackageError(what, extra, package) from error
        raise OptionError(f"{what} {package}, which can't be imported: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """A foreign error's first line for an error of one line: without control characters, and at most 100 of them."""
    line = str(error).partition("\n")[0] or type(error).__name__
    return "".join(each if each.isprintable() else "?" for each in line)[:100]


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


class AbsentWeightsError(WeightsError):
    """Weights that would be fetched aren't on this machine yet, and nothing may be fetched."""


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


class LabeleffWarning(UserWarning):
    """What a user should know and that ends nothing; the command line prints its text in one line."""
