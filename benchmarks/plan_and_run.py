"""Small studies, good and bad, each planned and run: what one refuses, the other refuses in the same words.

    python benchmarks/plan_and_run.py --out reports/faults

Every study of `study_cases.py` gets a folder of its own with its data, and is given to `labeleff plan` and then to
`labeleff run`, in this process and without figures. Both must end with the same exit status and the same text of error,
0 for the good and 2 for the bad ones, and a plan must leave nothing in the output folder. Writes `plan_and_run.md`;
exits 1 where two differ.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import torch
from mutations import without_figures
from small_studies import Case
from study_cases import CASES

from labeleff.commands import cli
from labeleff.scheduling import job_seconds

STUDY = "small.toml"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int | None
    """Exit status; None where it broke off."""
    error: str


@dataclass(frozen=True)
class Outcome:
    """How a study's plan and its run ended, and what the plan left behind."""

    case: Case
    plan: Ended
    run: Ended
    left: tuple[str, ...]

    @property
    def problem(self) -> str | None:
        """What is wrong; None where both ended alike and as they should."""
        expected = 0 if self.case.good else 2
        if self.plan.status != self.run.status:
            return f"plan ended with {self.plan.status}, run with {self.run.status}"
        if self.run.status != expected:
            return f"both ended with {self.run.status}, expected {expected}"
        if self.plan.error != self.run.error:
            return "other words"
        if not self.case.good and not 1 <= len(self.run.error.splitlines()) <= 2:
            return f"{len(self.run.error.splitlines())} lines of error, expected one or two"
        return f"the plan left {', '.join(self.left)}" if self.left else None


def called(arguments: Sequence[str]) -> Ended:
    """Call `labeleff` in this process, as if no task had been read before."""
    error = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["labeleff", *arguments]),
        mock.patch.object(job_seconds, "_SIZES", {}),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(error),
    ):
        try:
            cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
            return Ended(status, error.getvalue())
        except Exception:  # noqa: BLE001  any exception is a finding
            return Ended(None, traceback.format_exc())
    return Ended(0, error.getvalue())


def compared(case: Case, folder: Path) -> Outcome:
    """Plan a study in an empty folder, and run it."""
    case.prepare(folder)
    (folder / STUDY).write_text(case.text, encoding="utf-8")
    places = {"LABELEFF_CACHE": str(folder / "cache"), "LABELEFF_DATA": str(folder / "data")}
    with contextlib.chdir(folder), mock.patch.dict(os.environ, places), case.around(folder):
        before = set((folder / "out").rglob("*"))
        plan = called(["plan", STUDY, "--out", "out", *case.arguments])
        left = set((folder / "out").rglob("*")) - before
        run = called(["run", STUDY, "--out", "out", "--quiet", "--jobs", "1", *case.arguments])
    return Outcome(case, plan, run, tuple(sorted(path.name for path in left)))


def said(outcome: Outcome, folder: Path) -> str:
    """The text of error for a table, without the place of the temporary folder."""
    text = outcome.run.error.replace(f"{folder}/", "").removeprefix("labeleff: ").strip().replace("\n", " ")
    text = re.sub(r"process \d+ on \S+, since \S+", "process ... on ..., since ...", text)
    return text.replace("|", "\\|") or "-"


def table(outcomes: Sequence[tuple[Outcome, str]]) -> str:
    """The outcomes as a page of Markdown."""
    counts = Counter("good" if outcome.case.good else "bad" for outcome, _ in outcomes)
    same = sum(outcome.problem is None for outcome, _ in outcomes)
    lines = [
        "# `labeleff plan` beside `labeleff run`",
        "",
        "    python benchmarks/plan_and_run.py --out reports/faults",
        "",
        f"{len(outcomes)} small studies, {counts['good']} good and {counts['bad']} bad, each planned and then run. "
        f"**In {same} of {len(outcomes)} both ended with the same exit status and the same text**, which is the last "
        "column, and the plan left nothing in the output folder.",
        "",
        "| study | plan | run | same text | error |",
        "|---|---:|---:|---|---|",
        *(
            f"| {outcome.case.name} | {outcome.plan.status} | {outcome.run.status} | "
            f"{'yes' if outcome.plan.error == outcome.run.error else 'no'} | {text} |"
            for outcome, text in outcomes
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], help="Studies by words in their names.")
    options = parser.parse_args()
    without_figures()
    torch.set_num_threads(1)
    outcomes = []
    for case in (case for case in CASES if not options.only or any(word in case.name for word in options.only)):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch).resolve()
            outcome = compared(case, folder)
            outcomes.append((outcome, said(outcome, folder)))
        if outcome.problem is not None:
            print(f"{case.name}: {outcome.problem}\n  plan: {outcome.plan}\n  run: {outcome.run}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "plan_and_run.md").write_text(table(outcomes), encoding="utf-8")
    failed = sum(outcome.problem is not None for outcome, _ in outcomes)
    print(f"{len(outcomes)} studies, {failed} where plan and run differ")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
