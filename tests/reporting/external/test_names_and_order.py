"""Numbers of a report don't depend on the names of arms, nor on the order of rows and columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labeleff.reporting import csv_tables
from labeleff.reporting.external import external_report
from labeleff.reporting.external.options import Options
from labeleff.reporting.external.reader import read_runs
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.findings import find
from labeleff.study.prices import Cost

COLUMNS = {
    "runs": ("run",),
    "draws": ("draw", "run"),
    "draws with one run each": ("draw as run", "run"),
    "draws and seeds": ("draw", "seed", "run"),
}
OTHERS = {"scratch": "scratch", "near": "z", "far": "a", "wide": "m"}
"""New names of the arms, in another order."""


def rows(columns: tuple[str, ...]) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    records = []
    for task in ("one", "two"):
        for arm, gain in (("scratch", 1.0), ("near", 1.2), ("far", 3.0), ("wide", 0.8)):
            for n in (50, 100, 200, 400) if arm != "wide" else (100, 400):
                for k in range(4):
                    cell = {"task": task, "arm": arm, "n": n, "run": k, "seed": k % 2}
                    cell["draw"] = k if "draw as run" in columns else k // 2
                    value = 1 - 0.8 * (n * gain / 50) ** -0.3 + 0.02 * rng.standard_normal()
                    records.append({**cell, "accuracy": round(float(value), 4)})
    kept = ["task", "arm", "n", "accuracy", *(name.removesuffix(" as run") for name in columns)]
    return pd.DataFrame(records)[kept]


def tables(frame: pd.DataFrame, path: Path, names: dict[str, str], **options: object) -> list[pd.DataFrame]:
    """All tables of the report, in one order and with `names` of arms."""
    frame.to_csv(path, index=False)
    how = Options(path=path, out=path.parent / "report", command=[], **options)  # type: ignore[arg-type]
    found = find(external_report.view(read_runs([path], Reading()), "scratch", how))
    measured = found.measured
    by_kind = (
        csv_tables.utilities(found.comparisons, measured.cost_at),
        csv_tables.summary(measured),
        csv_tables.ranking(found.comparisons),
        csv_tables.targets(found.labels, measured.baseline),
        csv_tables.curves(found.formulas, measured.baseline),
    )
    frames = [table.frame().replace({"arm": names}) for table in by_kind]
    return [table.sort_values([c for c in ("task", "arm", "n", "target", "family") if c in table]) for table in frames]


OPTIONS: dict[str, dict[str, object]] = {
    "pchip": {"method": "pchip", "targets": (0.4,), "level": 0.8},
    "headline": {"headline": 100, "cost": Cost(per_label=0.35, unit="EUR"), "chance": 0.1, "test_count": 1000},
    "formula": {"method": "pow2"},
}


@pytest.mark.parametrize(
    ("columns", "options"),
    [*((each, {}) for each in COLUMNS.values()), *((("run",), each) for each in OPTIONS.values())],
    ids=[*COLUMNS, *OPTIONS],
)
def test_no_number_moves(tmp_path: Path, columns: tuple[str, ...], options: dict[str, object]) -> None:
    frame = rows(columns)
    before = tables(frame, tmp_path / "table.csv", {}, **options)
    back = {new: old for old, new in OTHERS.items()}
    shuffled = frame.sample(frac=1, random_state=1)[list(frame.columns[::-1])]
    renamed = shuffled.replace({"arm": OTHERS})
    for again in (
        tables(shuffled, tmp_path / "table.csv", {}, **options),
        tables(renamed, tmp_path / "table.csv", back, **options),
    ):
        for one, other in zip(before, again, strict=True):
            pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True), rtol=1e-9)


def test_an_arm_like_the_baseline_is_no_copy_of_it(tmp_path: Path) -> None:
    """Independent runs that happen to be equal are as uncertain as others."""
    frame = rows(("run",))
    twin = frame[frame.arm == "scratch"].replace({"arm": {"scratch": "twin"}})
    [utilities, *_] = tables(pd.concat([frame, twin]), tmp_path / "table.csv", {})
    twins = utilities[utilities.arm == "twin"]
    assert (twins.utility == 0).all()
    assert (twins.utility_low < 0).all()
    assert (twins.utility_high > 0).all()
