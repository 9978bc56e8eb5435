"""The `tune` table: its grid, its rounds, what it costs, and that it changes no study without it."""

import pytest
from support import factories

from labeleff.errors import LabeleffError
from labeleff.study.loading import load_study
from labeleff.study.tuning import Choice, PretextTune, Tune

PRETEXT = {"lr": [0.1, 1], "share": 0.5}


def test_a_whole_grid_is_tried_once_per_split():
    tune = Tune(lr=[0.3, 1, 3], weight_decay=[0, 1])
    assert tune.choices[:2] == [Choice(0.3, 0), Choice(0.3, 1)]
    assert tune.rounds == [(6, 1.0)]
    assert (tune.splits, tune.trainings) == (1, 6)
    assert Tune(lr=[0.3, 1, 3], folds=5).trainings == 15


@pytest.mark.parametrize(
    ("count", "by", "rounds"),
    [
        (4, 2, [(4, 1 / 4), (2, 1 / 2)]),
        (9, 3, [(9, 1 / 9), (3, 1 / 3)]),
        (6, 2, [(6, 1 / 4), (3, 1 / 2)]),
        (2, 3, [(2, 1 / 3)]),
    ],
)
def test_halving_begins_short_and_goes_on_with_the_best(count, by, rounds):
    tune = Tune(lr=[1.5**power for power in range(count)], halving=by)
    assert tune.rounds == rounds
    assert tune.trainings == pytest.approx(sum(tried * share for tried, share in rounds))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"lr": [1]}, "found one choice, expected several"),
        ({"lr": [0, 1]}, "lr: found .* expected multiples of the row's value, over 0"),
        ({"lr": [1, 1]}, "names one multiple twice"),
        ({"lr": [1, 3], "weight_decay": [-1, 1]}, "weight_decay: found .*from 0 on"),
        ({"lr": [1, 3], "held_out": 0.6}, "held_out"),
        ({"lr": [1, 3], "folds": 1}, "folds"),
        ({"lr": [1, 3], "trials": 5}, "trials"),
        ({"lr": [1, 3], "pretext": {"lr": [1]}}, "pretext"),
    ],
)
def test_mistakes_are_named(table, message):
    with pytest.raises(LabeleffError, match=message):
        factories.study(tune=table)


@pytest.mark.parametrize(
    ("arms", "tune", "message"),
    [
        (
            ["scratch/linear", "rotation/linear"],
            {"lr": [1, 3]},
            "tune: none of the arms .* has a protocol that is trained",
        ),
        (["scratch/finetune"], {"lr": [1, 3], "pretext": PRETEXT}, "tune.pretext: none of the arms"),
    ],
)
def test_a_table_that_tunes_nothing_is_refused(arms, tune, message):
    budget = {"finetune": {"lr": 0.1, "batch": 8, "epochs": 1}} if "finetune" in arms[0] else {}
    budget |= {"rotation": {"lr": 0.1, "batch": 8, "epochs": 1}} if len(arms) > 1 else {}
    with pytest.raises(LabeleffError, match=message):
        factories.study(arms=arms, baseline=arms[0], budget=budget, tune=tune)


def test_multiples_of_a_decay_of_0_are_refused():
    row = {"lr": 0.1, "batch": 8, "epochs": 1}
    table = {"arms": ["scratch/finetune", "scratch/linear"], "tune": {"lr": [1, 3], "weight_decay": [0.1, 1]}}
    with pytest.raises(LabeleffError, match="of the weight_decay of scratch/finetune's budget row, which is 0, so all"):
        factories.study(**table, budget={"finetune": row})
    assert factories.study(**table, budget={"finetune": {**row, "weight_decay": 1e-4}}).tune is not None


def test_stories_are_left_to_their_own_protocol():
    with pytest.raises(LabeleffError, match="tune: found babi/qa1, expected tasks of images"):
        load_study("babi", ["tune={lr=[0.3, 1]}"])


def test_only_what_is_tuned_is_another_cell():
    plain, tuned = factories.study(), factories.study(tune={"lr": [0.3, 1]})
    for one, other in zip(plain.cells(), tuned.cells(), strict=True):
        assert (one.key == other.key) == (one.budget is None)
        assert one.pretraining.key == other.pretraining.key


def test_a_tuned_pretext_is_another_pretraining_for_all_its_cells():
    plain, tuned = factories.study(), factories.study(tune={"lr": [0.3, 1], "pretext": PRETEXT})
    for one, other in zip(plain.cells(), tuned.cells(), strict=True):
        assert (one.pretraining.key == other.pretraining.key) == (one.pretrain is None)
        assert other.pretraining.tune == (None if one.pretrain is None else PretextTune(**PRETEXT))
