"""A frozen protocol timed on made data: encoding, problems of few and of many labels, their scoring."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from labeleff import catalogue
from labeleff.calibration.bench import CalibrationBench
from labeleff.calibration.kinds import Measured
from labeleff.cell import Cell
from labeleff.frozen import EncodedLabels
from labeleff.protocols import FrozenProtocol
from labeleff.scoring import score_frozen
from labeleff.speeds import INSTANT, ready_name, scoring_name, solving_names

REPEATS = 3
MOST_ROWS = 50_000
"""Rows of the larger problem at most; time grows with rows."""
SCORERS = 3
"""Predictors that are scored together, to tell their time from that of the encoder."""
_NO_ROW = 1e-12
"""Seconds of a row where more of them take no more time."""


def frozen(cells: Sequence[Cell], bench: CalibrationBench) -> Measured:
    """Rates of a frozen protocol, from a cell of few labels and one of many."""
    first, loaded = cells[0], bench.load(cells[0].task)
    compute, tested = bench.compute(first), len(loaded.task.test)
    fit: FrozenProtocol = catalogue.resolve("protocol", first.protocol.name)
    options = catalogue.options("protocol", first.protocol)
    model = bench.features(first)
    most = MOST_ROWS // int(loaded.task.goal.target(loaded.task.test.labels[:1]).numel())
    sizes = sorted({min(cell.n, most) for cell in cells})
    encoded = EncodedLabels(model, loaded.labelled, np.arange(sizes[-1]), compute)
    problems = [encoded.problem(np.arange(size)) for size in sizes]
    [fitted] = fit(problems[-1:], options)

    def score(count: int) -> float:
        predictors = [fitted.predictor] * count
        return _median(lambda: score_frozen(model, predictors, loaded.test_examples, compute), bench)

    solved = [_median(lambda one=one: fit([one], options), bench) for one in problems]  # type: ignore[misc]
    alone, together = score(1), score(SCORERS)
    scored = max((together - alone) / (SCORERS - 1), INSTANT)
    fixed, row = _line([len(problem.labels) for problem in problems], solved)
    names = solving_names(first)
    return Measured(
        {
            names[0]: 1 / fixed,
            names[1]: 1 / row,
            names[2]: tested / scored,
            scoring_name(first): tested / max(alone - scored, INSTANT),
            ready_name(first): 1 / _median(lambda: bench.features(first), bench),
        }
    )


def _line(rows: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Seconds of a problem without rows, and of each row, by its first and its last one; neither is negative."""
    more = rows[-1] - rows[0]
    row = max(seconds[-1] - seconds[0], 0.0) / more if more else 0.0
    fixed = seconds[0] - row * rows[0]
    if fixed < 0:
        fixed, row = 0.0, seconds[-1] / rows[-1]
    return max(fixed, INSTANT), max(row, _NO_ROW)


def _median(work: Callable[[], object], bench: CalibrationBench) -> float:
    """Seconds that something takes, the median of several times."""
    taken = []
    for _ in range(REPEATS):
        began = bench.clock()
        work()
        taken.append(bench.clock() - began)
    return max(statistics.median(taken), INSTANT)
