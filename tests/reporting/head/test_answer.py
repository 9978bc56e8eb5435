"""The answer that opens a report: each kind of question, by what was measured and by what is asked."""

from __future__ import annotations

import re

import pytest
from support.known_findings import NOISE, findings, runs

from labeleff.reporting.head.answer import Asked, answer, short_places, varying
from labeleff.reporting.measurements import Place

ONE = Place("toy/classify(size=32)", "net")
TEXTURE = {
    True: Place("toy/classify(size=32, texture=on)", "net"),
    False: Place("toy/classify(size=32, texture=off)", "net"),
}
BASE = {"base": runs(1.0)}
INSIDE = (20, 50, 100, 200)
"""Rungs at which no arm is better than the baseline at its last."""


def test_one_arm_is_asked_what_it_saves() -> None:
    asked = Asked(findings({ONE: BASE | {"arm": runs(2.0)}}))
    assert asked.kind == "savings"
    text = answer(asked)
    assert text.startswith("arm is worth labels: averaged over 20 to 1,000 labels, one label does the work of ")
    assert text.endswith("No crossing inside the ladder: it is still over base at 1,000 labels.")


def test_several_arms_are_ranked() -> None:
    asked = Asked(findings({ONE: BASE | {"good": runs(3.0), "bad": runs(0.4)}}))
    assert asked.kind == "ranking"
    assert answer(asked).startswith("good saves most: over 20 to 1,000 labels one of its labels does the work of ")


def test_arms_that_tie_are_named_together() -> None:
    text = answer(Asked(findings({ONE: BASE | {"a": runs(3.0), "b": runs(3.001), "bad": runs(0.4)}})))
    assert text.startswith("b, a are worth labels (2 of 3 arms can't be told from the best): ")
    assert "one of their labels does the work of " in text


def test_arms_of_different_label_counts_are_told_with_theirs() -> None:
    few = {n: run for n, run in runs(3.0).items() if n in (100, 200)}
    text = answer(Asked(findings({ONE: BASE | {"few": few, "all": runs(2.9)}})))
    assert " over 100 to 200 labels" in text
    assert " over 20 to 1,000 labels" in text
    assert "one of their labels does the work of " in text
    assert ": over " not in text


@pytest.mark.parametrize(
    ("worths", "noise", "text"),
    [
        ((0.4, 0.5), 1.0, "No arm is worth labels: each costs some; least b, "),
        ((1.02, 0.98), 6.0, "No arm is shown to save labels over 20 to 1,000 labels; highest is a, "),
    ],
)
def test_where_no_arm_is_worth_labels_none_is_said_to_be(worths: tuple[float, float], noise: float, text: str) -> None:
    arms = {name: runs(worth, noise) for name, worth in zip("ab", worths, strict=True)}
    found = answer(Asked(findings({ONE: {"base": runs(1.0, noise)} | arms})))
    assert found.startswith(text)
    assert "saves most" not in found


def test_crossings_are_told_where_they_are_asked_for() -> None:
    flat = {
        n: {run: 0.75 - n**-0.3 + noise for run, noise in zip(of, NOISE, strict=True)} for n, of in BASE["base"].items()
    }
    text = answer(Asked(findings({ONE: BASE | {"early": flat, "arm": runs(2.0)}}), "crossing"))
    true = (0.6 / 0.17) ** (1 / 0.3)
    [told] = re.findall(r"^early: \w[\w ]+ at about (\d+) labels \[\d+ to \d+\]\. ", text)
    assert float(told) == pytest.approx(true, rel=0.1)
    assert "arm: No crossing inside the ladder: it is still over base" in text


@pytest.mark.parametrize(
    ("worth", "beginning"), [(3.0, "What arm is worth depends on texture: "), (1.501, "It can't be told whether ")]
)
def test_several_tasks_are_asked_whether_savings_depend_on_what_varies(worth: float, beginning: str) -> None:
    places = {
        place: BASE | {"arm": runs(each, ladder=INSIDE)}
        for place, each in ((TEXTURE[True], worth), (TEXTURE[False], 1.5))
    }
    asked = Asked(findings(places))
    assert (asked.kind, varying(asked.findings)) == ("dependence", "texture")
    text = answer(asked)
    assert text.startswith(beginning)
    assert "(off)" in text
    assert "(on)" in text


def test_a_difference_between_tasks_is_none_between_encoders() -> None:
    """Encoders are compared within each task alone, or a task's difference would be taken for theirs."""
    places = {
        Place(task, encoder): BASE | {"arm": runs(worth + (0.001 if encoder == "big" else 0), ladder=INSIDE)}
        for task, worth in (("easy", 3.0), ("hard", 1.2))
        for encoder in ("small", "big")
    }
    found = findings(places)
    assert answer(Asked(found)).startswith("What arm is worth depends on the task or encoder: ")
    assert answer(Asked(found, "dependence on task")).startswith("What arm is worth depends on the task: ")
    assert answer(Asked(found, "dependence on encoder")).startswith(
        "It can't be told whether what arm is worth depends on the encoder: "
    )


def test_an_end_that_a_bound_would_move_tells_nothing_apart() -> None:
    short = {n: rung for n, rung in BASE["base"].items() if n <= 200}
    places = {Place("whole"): BASE | {"arm": runs(1.5)}, Place("cut"): {"base": short, "arm": runs(1.5)}}
    assert answer(Asked(findings(places))).startswith("It can't be told whether ")


def test_a_label_count_named_beforehand_is_what_is_answered() -> None:
    arms = {"good": runs(3.0, ladder=INSIDE), "fair": runs(1.5, ladder=INSIDE), "bad": runs(0.4)}
    text = answer(Asked(findings({ONE: BASE | arms}, headline=200)))
    assert text.startswith("At 200 labels, good is worth U = ")
    assert " At 200 labels, fair is worth U = " in text
    assert "bad" not in text
    none = answer(Asked(findings({ONE: BASE | {"bad": runs(0.4), "worse": runs(0.3)}}, headline=200)))
    assert none.startswith("At 200 labels, bad costs labels: U = ")
    places = {Place("easy"): BASE | {"arm": runs(3.0)}, Place("hard"): BASE | {"arm": runs(1.2)}}
    told = answer(Asked(findings(places, headline=200)))
    assert told.startswith("What arm is worth depends on the task: at 200 labels U = ")


def test_an_arm_that_begins_behind_is_said_to_overtake() -> None:
    steep = {
        n: {run: value + 0.12 * (n / 1000) ** 0.3 - 0.06 for run, value in of.items()} for n, of in BASE["base"].items()
    }
    text = answer(Asked(findings({ONE: BASE | {"late": steep}}), "crossing"))
    assert text == "late: It begins to pay between 50 and 100 labels; it is over base at 1,000."


def test_dependence_without_a_shared_arm_is_answered_place_by_place() -> None:
    found = findings({Place("easy"): BASE | {"a": runs(3.0)}, Place("hard"): BASE | {"b": runs(2.0)}})
    text = answer(Asked(found))
    assert text.startswith("easy: a saves most: ")
    assert " hard: b saves most: " in text


def test_agreement_is_what_was_found() -> None:
    found = findings({ONE: BASE | {"arm": runs(2.0)}})
    assert answer(Asked(found, agreement=["They agree."])) == "They agree."
    assert answer(Asked(found, "ranking", ["They agree."])).startswith("arm saves most: ")
    assert answer(Asked(found, "agreement")).startswith("arm saves most: "), "too few pretexts to compare"


def test_nothing_is_answered_where_nothing_is_compared() -> None:
    assert answer(Asked(findings({ONE: BASE}))) == ""


def test_what_rests_on_a_failed_assumption_is_no_answer() -> None:
    falling = {20: 0.2, 50: 0.6, 100: 0.3, 200: 0.62, 500: 0.3, 1000: 0.65}
    base = {
        n: {run: value + d for (run, d) in zip(runs(1.0)[n], (-0.001, 0.0, 0.001), strict=True)}
        for n, value in falling.items()
    }
    found = findings({ONE: {"base": base, "a": runs(2.0), "b": runs(3.0)}})
    assert any(found.failures.values())
    assert answer(Asked(found)) == "No arm can be compared: an assumption fails for each of them."


@pytest.mark.parametrize(
    ("other", "beginning"),
    [(2.0, "a is worth labels: over "), (0.4, "No arm is worth labels: each of the others costs some; least a, ")],
)
def test_a_best_arm_of_which_nothing_is_claimed_is_named_beside_the_others(other: float, beginning: str) -> None:
    broken = {n: {run: value - (0.25 if n == 200 else 0) for run, value in of.items()} for n, of in runs(3.0).items()}
    found = findings({ONE: BASE | {"best": broken, "a": runs(other, ladder=INSIDE)}})
    assert any(found.failures.values())
    text = answer(Asked(found))
    assert text.startswith(beginning)
    assert text.endswith(" Nothing is claimed of best.")


def test_places_are_named_by_what_tells_them_apart() -> None:
    found = findings(
        {place: BASE | {"arm": runs(2.0)} for place in (Place("a(x=1, y=2)", "net"), Place("a(x=3, y=2)", "net"))}
    )
    assert list(short_places(found).values()) == ["1", "3"]
