"""The savings of a chosen ladder: `python benchmarks/auto_ladder.py [--out reports/auto-ladder]` (a minute).

The records of reports/cifar10-small have every cell of its fixed ladder, so that the chooser can be replayed on them:
it requests cells, gets their recorded accuracies, and ends where its intervals are as narrow as those of the whole
ladder, times a factor, or where no recorded cells are left. Its code, and what it sees, are those of a run.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from csv_rows import to_csv

from labeleff.curves.utility import utilities
from labeleff.records.jsonl import Records, read_records
from labeleff.reporting.figures.style import blank, render
from labeleff.reporting.markdown import table
from labeleff.scheduling.ladder_chooser import Chooser
from labeleff.scheduling.ladder_progress import Ladders, training_steps
from labeleff.study.loading import parse_study
from labeleff.study.schema import Study

FOLDER = Path(__file__).parent.parent / "reports" / "cifar10-small"
REQUESTS = ((100, 500, 2000), (200, 1000, 4000), (50, 200, 1000, 4000), (100, 500, 2000, 8000), ())
"""Requested label counts; an empty tuple stands for all rungs of the fixed ladder."""
FACTORS = (1.0, 1.1)
"""Widths that an interval may have, as multiples of the fixed ladder's."""


@dataclass(frozen=True)
class Replay:
    """A chosen ladder beside the fixed one."""

    at: tuple[int, ...]
    factor: float
    chooser: Chooser
    share: float
    """Share of the fixed ladder's training steps, pretraining included."""
    without: float
    """Share of the training steps without pretraining."""
    fixed: dict[tuple[str, int], float]
    """Widths of the fixed ladder's intervals by arm and label count; inf where an end is open."""

    @property
    def ratios(self) -> dict[tuple[str, int], float]:
        """Widths divided by those of the fixed ladder, where these have both ends."""
        return {key: self.chooser.widths[key] / width for key, width in self.fixed.items() if width < math.inf}

    @property
    def cells(self) -> int:
        """Number of cells that were chosen."""
        return sum(len(step.choices) for step in self.chooser.steps)


def fixed_widths(study: Study, records: Records) -> dict[tuple[str, int], float]:
    """Compute ln(high / low) of n1 with every cell of the fixed ladder, by arm and label count."""
    runs: dict[str, dict[int, dict[tuple[int, int], float]]] = {arm: {} for arm in study.arm_names}
    for cell in study.cells():
        value = records.cells[cell.key].metrics["accuracy"]
        assert value is not None
        runs[study.arm_of(cell)].setdefault(cell.n, {})[cell.draw, cell.seed] = value
    base = runs.pop(study.baseline)
    found = utilities(base, runs, level=study.level, method=study.curve)
    return {
        (arm, point.n): math.log(point.n1_high / point.n1_low) if point.n1_low and point.n1_high else math.inf
        for arm, each in found.items()
        for point in each.points
    }


def play(records: Records, at: Sequence[int], factor: float) -> Replay:
    """Choose a ladder from the recorded cells."""
    rungs = records.runs[-1].study["rungs"]
    study = parse_study({**records.runs[-1].study, "auto": {"at": list(at) or rungs}}, "cifar10-small")
    assert study.auto is not None
    fixed = {key: width for key, width in fixed_widths(study, records).items() if key[1] in study.auto.at}
    cells = list(study.cells())
    ladders = Ladders.of(study, cells, lambda _: "accuracy")
    [(where, original)] = ladders.choosers.items()
    chooser = Chooser(replace(original.question, width={key: factor * width for key, width in fixed.items()}))
    ladders = replace(ladders, choosers={where: chooser})
    pending = ladders.advance(records.cells)
    assert not pending
    chosen = ladders.chosen
    alone = sum(map(chooser.question.cost, (choice for step in chooser.steps for choice in step.choices)))
    whole = sum(map(chooser.question.cost, ladders.cells[where]))
    return Replay(
        tuple(study.auto.at), factor, chooser, training_steps(chosen) / training_steps(cells), alone / whole, fixed
    )


def games() -> list[Replay]:
    """Replay all requested label counts with all factors."""
    records = read_records(FOLDER)
    return [play(records, at, factor) for at in REQUESTS for factor in FACTORS]


def _named(at: Sequence[int]) -> str:
    return "all nine rungs" if len(at) == 9 else ", ".join(f"{n:,}" for n in at)


def summary(replays: Sequence[Replay]) -> str:
    """Write a table with one row per replay."""
    header = ["asked for U(n) at", "as wide as the fixed ladder's, times", "training steps", "without pretraining"]
    header += ["cells", "steps of the choice", "reached", "width over the fixed ladder's: median", "largest"]
    rows = []
    for game in replays:
        ratios = list(game.ratios.values())
        reached = sum(ratio <= game.factor for ratio in ratios)
        rows.append([_named(game.at), f"{game.factor:g}", f"{game.share:.1%}", f"{game.without:.1%}", str(game.cells)])
        rows[-1] += [str(len(game.chooser.steps)), f"{reached} of {len(ratios)}"]
        rows[-1] += [f"{statistics.median(ratios):.2f}", f"{max(ratios):.2f}"]
    return table(header, rows)


def _width(width: float) -> str:
    return "open" if width == math.inf else f"{width:.3f}"


def widths(game: Replay) -> str:
    """Write a table of widths, one row per arm and label count."""
    rows = [
        [arm, f"{n:,}", _width(fixed), _width(game.chooser.widths[arm, n])] for (arm, n), fixed in game.fixed.items()
    ]
    return table(["arm", "n", "fixed ladder", "chosen ladder"], rows)


def runs_per_rung(game: Replay) -> str:
    """Write a table of the number of runs per rung of every arm in a chosen ladder."""
    counts: dict[str, dict[int, int]] = {}
    for step in game.chooser.steps:
        for choice in step.choices:
            rung = counts.setdefault(choice.arm, {})
            rung[choice.n] = rung.get(choice.n, 0) + 1
    rungs = game.chooser.question.rungs
    rows = [[arm, *(str(counts[arm].get(n, "–")) for n in rungs)] for arm in sorted(counts)]
    return table(["runs", *(f"n = {n:,}" for n in rungs)], rows)


def rows(replays: Sequence[Replay]) -> Iterator[dict[str, object]]:
    """Yield one row per replay, arm and label count."""
    for game in replays:
        for (arm, n), fixed in game.fixed.items():
            yield {
                "asked": " ".join(map(str, game.at)),
                "factor": game.factor,
                "training_steps_share": game.share,
                "share_without_pretraining": game.without,
                "arm": arm,
                "n": n,
                "fixed_width": fixed,
                "chosen_width": game.chooser.widths[arm, n],
            }


def figure(replays: Sequence[Replay]) -> bytes:
    """Draw widths divided by those of the fixed ladder against the share of its training steps."""
    drawn = blank(7, 4)
    axes = drawn.subplots()
    for game in replays:
        ratios = sorted(game.ratios.values())
        colour = f"C{REQUESTS.index(game.at) if game.at in REQUESTS else len(REQUESTS) - 1}"
        marker, label = ("o", f"asked at {_named(game.at)}") if game.factor == 1 else ("s", None)
        middle = statistics.median(ratios)
        axes.plot([game.share * 100] * 2, [ratios[0], ratios[-1]], color=colour, linewidth=1)
        axes.plot(game.share * 100, middle, marker=marker, color=colour, label=label, linestyle="")
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.axvline(60, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel("training steps, % of the fixed ladder's (pretraining included)")
    axes.set_ylabel("width over the fixed ladder's\n(smallest, median, largest)")
    axes.set_xlim(0, 100)
    axes.legend(fontsize="small", loc="upper left")
    return render(drawn, "png")


def document(replays: Sequence[Replay]) -> str:
    """Write the tables of README.md, without the parts that were written by hand."""
    shown = next(game for game in replays if game.at == (200, 1000, 4000) and game.factor == 1)
    return "\n\n".join(
        [
            "# Replayed on `cifar10-small`",
            summary(replays),
            "One of them in full: asked for U(n) at 200, 1,000 and 4,000 labels, as wide as the fixed ladder's.",
            runs_per_rung(shown),
            widths(shown),
        ]
    )


def main() -> None:
    """Print the tables, and write them where a folder is given."""
    parser = argparse.ArgumentParser(description="A chosen ladder against the fixed one, on recorded cells.")
    parser.add_argument("--out", type=Path, help="folder for replay.md, replay.csv and replay.png")
    arguments = parser.parse_args()
    replays = games()
    print(document(replays))
    if arguments.out:
        (arguments.out / "replay.md").write_text(document(replays) + "\n", encoding="utf-8")
        (arguments.out / "replay.csv").write_text(to_csv(list(rows(replays))), encoding="utf-8")
        (arguments.out / "replay.png").write_bytes(figure(replays))


if __name__ == "__main__":
    main()
