"""Tables of results as their authors published them, and tables as people write them, each by one command.

    python benchmarks/published_tables.py PUBLISHED CASES --out reports/tables

PUBLISHED has the files of Hoiem et al. (2021) and of USB (Wang et al., 2022), CASES small tables that are written in
other ways; none of them is edited. Writes README.md: of each table the command, and what it prints first: the verdict,
or the error that asks for an option and the command with it. Exits 1 where a table ends otherwise.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

HOIEM = ("hoiem_no_pretr_ft.json", "hoiem_no_pretr_linear.json", "hoiem_pretr_ft.json", "hoiem_pretr_linear.json")
ALPHA, ETA, GAMMA = 5.6835, 259.2864, -0.41
"""Error in percent of the finetuned baseline, ALPHA + ETA n**GAMMA with n images per class, as Hoiem et al. print it
(notebooks/curve.ipynb in allenai/learning-curve)."""
CLASSES = 100


@dataclass(frozen=True)
class Table:
    """One command: files, what is special about them, and the options that the table needs."""

    files: tuple[str, ...]
    special: str
    options: str = ""
    asked: str = ""
    """Options without which the table is an error that asks for them."""
    line: str = ""
    """Beginning of the line of the verdict that is shown; the first one without."""


PUBLISHED = (
    Table(
        HOIEM,
        "Hoiem et al.: errors, shots per class, an arm per file, fewer repeats at more labels",
        "--per-class 100 --baseline hoiem_no_pretr_ft",
        "--lower-is-better",
        "hoiem_pretr_ft",
    ),
    Table(
        ("usb_classic_cv.csv",),
        "USB: errors as mean±s.d., wide by data set and label count, all labels in a row",
        "--lower-is-better --pool 50000 --pool svhn=604388",
        "--runs 3",
        "fixmatch",
    ),
    Table(("usb_usb_cv.csv",), "USB: the same on other data sets", "--lower-is-better", "--runs 3", "fixmatch"),
)
CASES = (
    Table(("reference_ok.csv",), "one row per run"),
    Table(("cjk_names.csv",), "names in other scripts"),
    Table(("comment_line.csv",), "a comment line"),
    Table(("excel_sep_line.csv",), "`sep=;`"),
    Table(("trailing_empty_rows.csv",), "trailing commas and empty rows"),
    Table(("n_as_1k.csv",), "label counts as 1k"),
    Table(("n_as_fraction.csv",), "label counts as shares", "", "--pool 50000"),
    Table(("n_as_percent.csv",), "label counts in percent", "", "--pool 50000"),
    Table(("n_full.csv",), "rows of all labels", "--pool 50000"),
    Table(("mean_pm_sd.csv",), "61.7±0.8", "", "--runs 5"),
    Table(("mean_std_count.csv",), "columns of mean, s.d. and number of runs"),
    Table(("error_rate.csv",), "errors", "", "--lower-is-better"),
    Table(("val_loss.csv",), "losses", "", "--lower-is-better"),
    Table(("wandb_runs_crashed.csv",), "an export of Weights & Biases with a crashed run", "", "--skip-empty"),
    Table(("one_diverged_run.csv",), "one diverged run"),
    Table(("no_effect.csv",), "four arms that are worth nothing"),
    Table(("saturating_decades.csv",), "a flat baseline with label counts a decade apart; true is U = 1.00 everywhere"),
)


def command(table: Table, options: str) -> list[str]:
    return ["labeleff", "utility", *table.files, *shlex.split(options)]


def printed(words: Sequence[str], folder: Path, out: Path) -> tuple[int, list[str]]:
    """Exit status and lines of a command in the tables' folder."""
    run = [sys.executable, "-m", *words, "--out", str(out)]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def rows(table: Table, folder: Path, out: Path) -> Iterator[list[str]]:
    """A table's rows of the report: the error that asks for an option where there is one, and the verdict."""
    special = table.special
    if table.asked:
        words = command(table, table.options)
        status, lines = printed(words, folder, out)
        if status == 0 or table.asked.split()[0] not in lines[-1]:
            raise SystemExit(f"{shlex.join(words)}: expected an error that asks for {table.asked}, found {lines[-1]}")
        yield [special, shlex.join(words), lines[-1]]
        special = ""
    words = command(table, f"{table.options} {table.asked}".strip())
    status, lines = printed(words, folder, out)
    verdicts = [line for line in lines if line.startswith(("- ", "**"))]
    if status or not verdicts:
        raise SystemExit(f"{shlex.join(words)}: expected a verdict, found {lines[-1]}")
    wanted = table.line or r"\*\*One run"
    chosen = next((line for line in verdicts if re.match(rf"(?:- (?:Whether )?)?{wanted}\b", line)), verdicts[0])
    more = f" ({len(verdicts) - 1} more)" if len(verdicts) > 1 else ""
    yield [special, shlex.join(words), chosen.removeprefix("- ") + more]


def beside_source(folder: Path, out: Path) -> Iterator[list[str]]:
    """n1 in images per class: ours, and by the curve that the source prints, of which it prints no interval."""
    with (out / "utility.csv").open() as file:
        ours = {(row["arm"], int(row["n"])): row for row in csv.DictReader(file)}
    for name in HOIEM[2:]:
        arm = name.removesuffix(".json")
        for entry in json.loads((folder / name).read_text()):
            n, error = entry["num_train_samples"], fmean(entry["test_errors"])
            row = ours[arm, n * CLASSES]
            source = ((error - ALPHA) / ETA) ** (1 / GAMMA)
            low, high = (row[f"data_multiplier_{end}"] for end in ("low", "high"))
            interval = f"[{float(low):.2f}, {float(high):.2f}]" if low and high else ""
            yield [arm, str(n), f"{error:.1f}", f"{float(row['data_multiplier']):.2f} {interval}", f"{source / n:.2f}"]


def markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def report(published: Path, cases: Path) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        first = [*rows(PUBLISHED[0], published, out)]
        source = [*beside_source(published, out)]
        tables = [*first, *(row for table in PUBLISHED[1:] for row in rows(table, published, out))]
        others = [row for table in CASES for row in rows(table, cases, out)]
    shown = [[special, f"`{words}`", text] for special, words, text in tables]
    small = [[special, f"`{words}`", text] for special, words, text in others]
    header = ["table", "command", "what it prints first"]
    return PAGE.format(
        published=markdown(header, shown),
        source=markdown(["arm", "images per class", "error (%)", "n1/n here", "n1/n by the source's curve"], source),
        cases=markdown(header, small),
    )


PAGE = """\
# Tables of other people's results

Each table as it was published, without an edit, by one command in its folder. Where an option is needed, the first row
is the error that asks for it. The sources are allenai/learning-curve (commit a56f9ea: Hoiem et al., Learning Curves for
Analysis of Deep Networks, ICML 2021) and microsoft/Semi-supervised-learning (commit 1ef4cbe: USB, Wang et al., NeurIPS
2022). `python benchmarks/published_tables.py PUBLISHED CASES --out reports/tables` writes this page.

{published}

USB prints no number of this kind. Hoiem et al. print the curve of the finetuned baseline, error = 5.68 + 259.29
n^-0.41 with n images per class. Solved for the mean errors of the pretrained arms it gives the data multiplier n1/n
beside ours; where n1 is over 400 images per class, both are extrapolated. It is one formula and has no interval.

{source}

## Small tables, as people write them

All but the last two of these are the runs of the first, in other spellings or with what went wrong.

{cases}

[`printed_means.md`](printed_means.md) measures what is lost where only means and standard deviations are printed.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("published", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "README.md").write_text(report(given.published, given.cases))


if __name__ == "__main__":
    main()
