"""The chooser on made-up accuracies: what it measures, in which order, and when it ends."""

import math

import numpy as np
import pytest

from labeleff.scheduling.ladder_chooser import FIRST_RUNS, START, Ask, Chooser, Question, State

RUNGS = (50, 100, 200, 400, 800, 1600, 3200, 6400)
RUNS = tuple((i, i) for i in range(6))
BASE, ARM = "scratch/finetune", "rotation/finetune"


def accuracy(arm, n):
    """The arm saves two labels of three."""
    return 0.95 - 1.6 * (3 * n if arm == ARM else n) ** -0.3


def values(sd=0.01, arms=(BASE, ARM), runs=RUNS, rungs=RUNGS):
    rng = np.random.default_rng(0)
    return {
        Ask(arm, n, run): accuracy(arm, n) + sd * float(rng.standard_normal())
        for arm in arms
        for n in rungs
        for run in runs
    }


def question(**changes):
    pretrained = {"before": lambda ask: (f"encoder {ask.run}", 5000.0) if ask.arm == ARM else None}
    fields = {"baseline": BASE, "arms": (ARM,), "at": (100, 800), "rungs": RUNGS, "runs": RUNS, "width": 0.5}
    return Question(**{**fields, "cost": lambda ask: 1.0 * ask.n, **pretrained, **changes})


def ended(asked, table, at_once=4):
    chooser = Chooser(asked, at_once)
    assert chooser.advance(table) == []
    return chooser


def asks(chooser):
    return [ask for step in chooser.steps for ask in step.asks]


def test_it_starts_coarse():
    first = Chooser(question()).advance({})
    assert len({ask.n for ask in first if ask.arm == BASE}) == START
    assert max(ask.n for ask in first) == 800
    assert {ask.n for ask in first if ask.arm == ARM} == {100, 800}
    assert {ask.run for ask in first} == set(RUNS[:FIRST_RUNS])


def test_it_ends_where_intervals_are_narrow_and_measures_nothing_twice():
    chooser = ended(question(), values())
    assert chooser.finished == "every interval is as narrow as asked for"
    assert all(width <= 0.5 for width in chooser.widths.values())
    assert len(asks(chooser)) == len(set(asks(chooser))) < len(values())


def test_the_baseline_has_the_rungs_next_to_n1():
    chooser = ended(question(), values())
    state = State.of(chooser.question, asks(chooser), values())
    for n in (100, 800):
        assert state.points[ARM, n].kind == "inside"
        low, high = state.around(ARM, n)
        assert low < state.points[ARM, n].n1 <= high
        assert {low, high} <= set(state.runs[BASE])
    assert 6400 not in state.runs[BASE]


@pytest.mark.parametrize("at_once", [1, 4])
def test_step_by_step_is_the_same_as_at_once(at_once):
    table, known = values(), {}
    chooser = Chooser(question(), at_once)
    while pending := chooser.advance(known):
        known |= {ask: table[ask] for ask in pending}
    assert chooser.steps == ended(question(), table, at_once).steps
    assert known.keys() == set(asks(chooser))


def test_half_a_step_waits_for_the_other_half():
    table = values()
    chooser = Chooser(question())
    first = chooser.advance({})
    known = {ask: table[ask] for ask in first[:-1]}
    assert chooser.advance(known) == [first[-1]]
    assert len(chooser.steps) == 1


def test_narrower_takes_more():
    shares = [ended(question(width=width), values()) for width in (1.5, 0.5, 0.2)]
    trained = [chooser.trained(values()) for chooser in shares]
    assert trained == sorted(trained)
    assert trained[0] < trained[-1]


def test_what_cannot_be_narrow_ends_with_what_there_is():
    chooser = ended(question(width=0.001), values())
    assert chooser.finished.startswith("2 of 2 intervals are wider than asked for")
    for n in (100, 800):
        assert {ask.run for ask in asks(chooser) if ask.arm == ARM and ask.n == n} == set(RUNS)


def test_what_lies_above_the_ladder_asks_for_higher_rungs():
    top = ended(question(at=(3200,)), values())
    assert 6400 in {ask.n for ask in asks(top) if ask.arm == BASE}


def test_failed_cells_are_passed_over():
    table = values() | {Ask(ARM, 100, RUNS[0]): None, Ask(BASE, 50, RUNS[1]): None}
    chooser = ended(question(), table)
    assert chooser.finished == "every interval is as narrow as asked for"


def test_without_any_value_it_ends():
    chooser = ended(question(), dict.fromkeys(values()))
    assert chooser.finished.startswith("2 of 2 intervals are wider")
    assert all(width == math.inf for width in chooser.widths.values())


def test_a_pretraining_is_charged_once():
    table = values()
    chooser = ended(question(), table)
    runs = {ask.run for ask in asks(chooser) if ask.arm == ARM}
    assert chooser.trained(table) == sum(ask.n for ask in asks(chooser)) + 5000 * len(runs)


def test_a_dear_pretraining_makes_the_baseline_go_first():
    dear = ended(question(before=lambda ask: (f"e{ask.run}", 1e9) if ask.arm == ARM else None), values(), 1)
    further = [ask for step in dear.steps[1:] for ask in step.asks if ask.run not in RUNS[:FIRST_RUNS]]
    assert further[0].arm == BASE


def test_an_end_states_what_every_step_brought():
    chooser = ended(question(), values())
    for step in chooser.steps[1:]:
        assert step.aims
        for aim in step.aims:
            assert set(aim.asks) <= set(step.asks)
            assert aim.after is not None
            assert aim.reason
