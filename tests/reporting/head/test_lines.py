"""A head's lines: at most eight, each true of what was measured; and the length of the committed reports."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.known_findings import findings, runs

from labeleff.reporting.head.answer import Asked
from labeleff.reporting.head.lines import LINES, contents, head, head_figure
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.study.prices import Cost

REPORTS = sorted((Path(__file__).parents[3] / "reports").glob("*/records.jsonl"))
ONE = Place("t")
BASE = {"base": runs(1.0)}
GOOD = BASE | {"good": runs(3.0), "bad": runs(0.4)}


def lines(asked: Asked, flags: tuple[str, ...] = (), others: tuple[str, ...] = ()) -> list[str]:
    return [line.removeprefix("- ") for text in head(asked, flags, others) for line in text.split("\n")]


def test_the_lines_of_one_place() -> None:
    text = lines(Asked(findings({ONE: GOOD})))
    assert text[0].startswith("good saves most: ")
    assert text[1] == "Most accurate: good at 20 to 1,000 labels (proven)."
    assert text[2].startswith("Mean label ratio: good ")
    assert "; behind bad " in text[2]
    assert text[3].startswith("Saved against base: good at 20 labels ")
    assert text[4] == "Costing labels: bad."
    assert len(text) == 5


def test_ties_are_said_to_be_ties() -> None:
    text = lines(Asked(findings({ONE: BASE | {"a": runs(3.0), "b": runs(3.001)}})))
    assert text[1] == "Most accurate: at 20, 50, 100, 200, 500 and 1,000 can't be told among a, b."
    assert text[2].startswith("Mean label ratio: b ")
    assert text[2].endswith("(can't be told apart).")


def test_ties_that_differ_between_rungs_are_not_united() -> None:
    third = {n: (runs(3.002) if n < 100 else runs(0.4))[n] for n in runs(1.0)}  # keeps up at the first rungs alone
    text = lines(Asked(findings({ONE: {"base": runs(0.2), "a": runs(3.0), "b": runs(3.001), "c": third}})))
    which = "2 to 3 of 4 arms (named below)"
    assert text[1] == f"Most accurate: at 20, 50, 100, 200, 500 and 1,000 can't be told among {which}."


def test_savings_that_are_left_out_are_counted() -> None:
    arms = {
        name: runs(worth, ladder=(20, 50, 100, 200, 500)) for name, worth in zip("abc", (1.9, 1.8, 1.7), strict=True)
    }
    [saved] = [line for line in lines(Asked(findings({ONE: BASE | arms}))) if line.startswith("Saved")]
    assert saved.count(" and 1 more rung") == 2
    assert saved.endswith(" and 1 more arm.")


def test_arms_of_which_nothing_is_shown_share_a_line() -> None:
    noisy = {name: runs(worth, 6.0) for name, worth in (("base", 1.0), ("a", 1.02), ("b", 0.98))}
    text = lines(Asked(findings({ONE: noisy})))
    assert "Over the whole ladder not shown to save or to cost labels: a, b." in text
    assert not any(line.startswith("Saved") for line in text)


def test_savings_are_those_of_the_count_named_beforehand_with_their_price() -> None:
    found = findings({ONE: GOOD}, headline=100, cost=Cost(per_label=0.35, unit="EUR"))
    [saved] = [line for line in lines(Asked(found)) if line.startswith("Saved")]
    [point] = [point for item in found.comparisons for point in item.joint if (item.arm, point.n) == ("good", 100)]
    assert saved.startswith(f"Saved against base: good at 100 labels {point.n1 - 100:.0f} [")
    assert f"] or {0.35 * (point.n1 - 100):.1f} [" in saved
    assert saved.endswith("] EUR.")


def test_targets_give_the_labels_of_the_best_and_the_baseline() -> None:
    found = findings({ONE: GOOD}, targets=(0.6,))
    [text] = [line for line in lines(Asked(found)) if line.startswith("For the targets")]
    assert text.startswith("For the targets: 60 % takes ")
    needed = {item.arm: item.labels.value for item in found.labels if item.labels is not None}
    assert f"{needed['good']:.0f} [" in text
    assert f"{needed['base']:.0f} [" in text
    assert "bad" not in text


def test_places_of_one_text_are_named_together() -> None:
    found = findings({Place("x"): GOOD, Place("y"): GOOD})
    text = lines(Asked(found))
    assert text[1] == "Most accurate: x, y: good at 20 to 1,000 labels (proven)."
    assert "Costing labels: bad (2 of 2)." in text


def test_links_to_places_are_numbered_as_their_headings_are() -> None:
    places = [Place("ab"), Place("a/b"), Place("study"), Place("utility")]
    found = findings(dict.fromkeys(places, GOOD))
    settings = found.measured.settings
    sections = [Section([f"## {place.task}", "### Utility"], place=(place, settings[place])) for place in places]
    [text] = contents(found, [Section(["# Study", "#1 is no heading"]), *sections])
    assert text == "Places: [ab](#ab), [a/b](#ab-1), [study](#study-1), [utility](#utility-3)."
    assert list(contents(findings({ONE: GOOD}), [])) == []


def test_a_failed_assumption_is_the_first_weak_point() -> None:
    base = {n: {run: value - 0.3 * (n == 200) for run, value in of.items()} for n, of in runs(1.0).items()}
    text = lines(Asked(findings({ONE: {"base": base, "arm": runs(2.0)}})), ("**Few runs**: 3.",))
    assert text[-2].startswith("**Not to be trusted as it stands**: baseline falls")
    assert text[-1] == "**Few runs**: 3."


@pytest.mark.parametrize("others", [(), ("Stories: 1 of 2 tasks passed.",) * 3, ("Story.",) * 9])
def test_there_are_never_more_lines_than_eight_and_always_a_weak_point(others: tuple[str, ...]) -> None:
    found = findings({ONE: GOOD}, headline=100, targets=(0.6,))
    text = lines(Asked(found), tuple(f"**Weak** {i}" for i in range(6)), others)
    assert len(text) == LINES
    shown = [line for line in text if line.startswith("**Weak**")]
    assert shown[0].startswith("**Weak** 0")
    assert shown[-1].endswith(f"[{6 - len(shown)} more](#weak-points)")


def test_nothing_measured_has_no_head() -> None:
    assert lines(Asked(findings({ONE: BASE}))) == []
    assert lines(Asked(findings({ONE: BASE})), ("**Few runs**: 3.",)) == ["**Few runs**: 3."]


@pytest.mark.parametrize(
    ("question", "names", "shown"),
    [
        ("ranking", ["accuracy-t", "utility-t"], ["![utility](figures/utility-t.png)"]),
        ("agreement", ["accuracy-t", "utility-t", "agreement-t"], ["![agreement](figures/agreement-t.png)"]),
        ("ranking", ["accuracy-t"], ["![accuracy](figures/accuracy-t.png)"]),
        ("ranking", [], []),
    ],
)
def test_the_figure_is_the_one_that_shows_the_answer(question: str, names: list[str], shown: list[str]) -> None:
    from matplotlib.figure import Figure

    asked = Asked(findings({ONE: BASE}), question)
    assert list(head_figure(asked, [Section(figures={name: Figure() for name in names})])) == shown


@pytest.mark.parametrize("folder", [path.parent for path in REPORTS], ids=lambda folder: folder.name)
def test_committed_reports_are_short(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    opening = text.partition("\n## ")[0].splitlines()
    assert 1 <= sum(line.startswith("- ") for line in opening) <= LINES
    assert sum(line.startswith("![") for line in opening) <= 1
    rows = [line for line in text.partition("### Accuracy")[2].splitlines()[1:] if line]
    arms = next((i for i, row in enumerate(rows) if not row.startswith("|")), 0) - 2
    places = max(1, text.count("\n### Accuracy"))
    assert len(text.splitlines()) <= max(300, 45 * places) or arms > 5
