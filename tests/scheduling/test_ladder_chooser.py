"""The chooser on made-up accuracies: what it measures, in which order, and when it ends."""

import math

import numpy as np
import pytest

from labeleff.scheduling.ladder_chooser import FIRST_RUNS, START, Choice, Chooser, Question, State

RUNGS = (50, 100, 200, 400, 800, 1600, 3200, 6400)
RUNS = tuple((i, i) for i in range(6))
BASE, ARM = "scratch/finetune", "rotation/finetune"


def accuracy(arm, n):
    """The arm saves two labels of three."""
    return 0.95 - 1.6 * (3 * n if arm == ARM else n) ** -0.3


def values(sd=0.01, arms=(BASE, ARM), runs=RUNS, rungs=RUNGS):
    rng = np.random.default_rng(0)
    return {
        Choice(arm, n, run): accuracy(arm, n) + sd * float(rng.standard_normal())
        for arm in arms
        for n in rungs
        for run in runs
    }


def question(**changes):
    pretraining = {"pretraining": lambda choice: (f"encoder {choice.run}", 5000.0) if choice.arm == ARM else None}
    fields = {"baseline": BASE, "arms": (ARM,), "at": (100, 800), "rungs": RUNGS, "runs": RUNS, "width": 0.5}
    return Question(**{**fields, "cost": lambda choice: 1.0 * choice.n, **pretraining, **changes})


def ended(asked, table, most_aims=4):
    chooser = Chooser(asked, most_aims)
    assert chooser.advance(table) == []
    return chooser


def choices(chooser):
    return [choice for step in chooser.steps for choice in step.choices]


def test_it_starts_coarse():
    first = Chooser(question()).advance({})
    assert len({choice.n for choice in first if choice.arm == BASE}) == START
    assert max(choice.n for choice in first) == 800
    assert {choice.n for choice in first if choice.arm == ARM} == {100, 800}
    assert {choice.run for choice in first} == set(RUNS[:FIRST_RUNS])


def test_it_ends_where_intervals_are_narrow_and_measures_nothing_twice():
    chooser = ended(question(width=0.6), values(sd=0.005))
    assert chooser.finished == "every interval is as narrow as asked for"
    assert all(width <= 0.6 for width in chooser.widths.values())
    assert len(choices(chooser)) == len(set(choices(chooser))) < len(values())


def test_the_baseline_has_the_rungs_next_to_n1():
    chooser = ended(question(), values())
    state = State.of(chooser.question, choices(chooser), values())
    for n in (100, 800):
        assert state.points[ARM, n].kind == "inside"
        low, high = state.rungs_around(ARM, n)
        assert low < state.points[ARM, n].n1 <= high
        assert {low, high} <= set(state.runs[BASE])
    assert 6400 not in state.runs[BASE]


@pytest.mark.parametrize("most_aims", [1, 4])
def test_step_by_step_is_the_same_as_at_once(most_aims):
    table, known = values(), {}
    chooser = Chooser(question(), most_aims)
    while pending := chooser.advance(known):
        known |= {choice: table[choice] for choice in pending}
    assert chooser.steps == ended(question(), table, most_aims).steps
    assert known.keys() == set(choices(chooser))


def test_half_a_step_waits_for_the_other_half():
    table = values()
    chooser = Chooser(question())
    first = chooser.advance({})
    known = {choice: table[choice] for choice in first[:-1]}
    assert chooser.advance(known) == [first[-1]]
    assert len(chooser.steps) == 1


def test_narrower_takes_more():
    shares = [ended(question(width=width), values()) for width in (1.5, 0.5, 0.2)]
    trained = [chooser.training_steps(values()) for chooser in shares]
    assert trained == sorted(trained)
    assert trained[0] < trained[-1]


def test_what_cannot_be_narrow_ends_with_what_there_is():
    chooser = ended(question(width=0.001), values())
    assert chooser.finished.startswith("2 of 2 intervals are wider than asked for")
    for n in (100, 800):
        assert {choice.run for choice in choices(chooser) if choice.arm == ARM and choice.n == n} == set(RUNS)


def test_what_lies_above_the_ladder_asks_for_higher_rungs():
    top = ended(question(at=(3200,)), values())
    assert 6400 in {choice.n for choice in choices(top) if choice.arm == BASE}


def test_failed_cells_are_passed_over():
    table = values(sd=0.005) | {Choice(ARM, 100, RUNS[0]): None, Choice(BASE, 50, RUNS[1]): None}
    chooser = ended(question(width=0.6), table)
    assert chooser.finished == "every interval is as narrow as asked for"


def test_without_any_value_it_ends():
    chooser = ended(question(), dict.fromkeys(values()))
    assert chooser.finished.startswith("2 of 2 intervals are wider")
    assert all(width == math.inf for width in chooser.widths.values())


def test_a_pretraining_is_charged_once():
    table = values()
    chooser = ended(question(), table)
    runs = {choice.run for choice in choices(chooser) if choice.arm == ARM}
    assert chooser.training_steps(table) == sum(choice.n for choice in choices(chooser)) + 5000 * len(runs)


def test_a_dear_pretraining_makes_the_baseline_go_first():
    dear = ended(question(pretraining=lambda cell: (f"e{cell.run}", 1e9) if cell.arm == ARM else None), values(), 1)
    further = [choice for step in dear.steps[1:] for choice in step.choices if choice.run not in RUNS[:FIRST_RUNS]]
    assert further[0].arm == BASE


def test_an_end_states_what_every_step_brought():
    chooser = ended(question(), values())
    for step in chooser.steps[1:]:
        assert step.aims
        for aim in step.aims:
            assert set(aim.choices) <= set(step.choices)
            assert aim.after is not None
            assert aim.reason
