import numpy as np
import pytest
import torch

from labeleff.catalogue.strategies import resolve_strategy
from labeleff.errors import OptionError
from labeleff.plugins.strategies.interface import Pool

pytest.importorskip("skactiveml", reason="the extra `active` isn't installed")
from skactiveml.pool import RandomSampling, TypiClust, UncertaintySampling

from labeleff.plugins.strategies import activeml
from labeleff.plugins.strategies.activeml import Head, choose


def pool(seed=0, count=60, classes=3):
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(count, 4, generator=draw)
    weights = torch.randn(4, classes, generator=draw)

    def head(x):
        return (x @ weights).softmax(1)

    return Pool(features, head(features), torch.tensor([0, 5, 9]), torch.tensor([0, 0, 1]), head, seed)


def test_a_class_without_a_label_keeps_its_place():
    """`classes` are always passed: class 2 has no label here, and its probability must not be lost."""
    one = pool()
    assert Head(one, [0, 1, 2]).predict_proba(one.features.numpy()) == pytest.approx(one.probabilities.numpy())
    chosen = choose(one, 10, strategy="UncertaintySampling").tolist()
    confidence = one.probabilities[one.candidates].amax(1)
    assert sorted(chosen) == sorted(one.candidates[confidence.argsort()[:10]].tolist())


def test_examples_without_a_label_are_no_class_of_their_own(monkeypatch):
    seen = {}
    usual = UncertaintySampling.query

    def query(self, X, y, clf, **others):
        seen.update(y=y, strategy=self.missing_label, clf=clf.missing_label, classes=clf.classes, **others)
        return usual(self, X, y, clf, **others)

    monkeypatch.setattr(UncertaintySampling, "query", query)
    monkeypatch.setattr(activeml.inspect, "signature", _signature(UncertaintySampling, usual))
    choose(pool(), 2, strategy="UncertaintySampling")
    assert np.isnan(seen["y"]).sum() == 57
    assert np.isnan(seen["strategy"])
    assert np.isnan(seen["clf"])
    assert seen["classes"] == [0, 1, 2]


def _signature(kind, usual):
    """Read signatures through a method that a test has replaced."""
    original = activeml.inspect.signature

    def signature(function):
        return original(usual if getattr(function, "__func__", function) is kind.query else function)

    return signature


def test_candidates_are_positions_and_never_a_mask():
    """As a mask the library reads candidates as examples 0 and 1, without a word."""
    labels = np.full(60, np.nan)
    mask = np.zeros(60, dtype=bool)
    mask[40:] = True
    as_mask = RandomSampling(random_state=0).query(X=np.zeros((60, 1)), y=labels, candidates=mask, batch_size=2)
    assert set(as_mask.tolist()) <= {0, 1}
    one = pool()
    chosen = choose(one, 57, strategy="RandomSampling").tolist()
    assert sorted(chosen) == sorted(one.candidates.tolist())
    assert not {0, 5, 9} & set(chosen)


def test_repeats_differ_although_the_library_copies_a_random_state():
    state = np.random.RandomState(0)
    labels, features = np.full(60, np.nan), np.zeros((60, 1))
    repeats = [RandomSampling(random_state=state).query(X=features, y=labels, batch_size=3).tolist() for _ in range(3)]
    assert repeats[0] == repeats[1] == repeats[2]
    ours = [choose(pool(seed), 3, strategy="RandomSampling").tolist() for seed in (0, 1, 2, 0)]
    assert len({tuple(one) for one in ours[:3]}) == 3
    assert ours[3] == ours[0]


@pytest.mark.parametrize("name", ["Clue", "DropQuery"])
def test_a_seed_repeats_a_choice_although_the_library_drops_it(name):
    """Their k-means draws from numpy's global state, which is left as it was."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    chosen = [choose(pool(seed, count=150), 12, strategy=name).tolist() for seed in (3, 3, 4)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_a_batch_is_asked_at_once():
    """TypiClust asked one by one gives other examples than in a batch; a rung is one batch."""
    one = pool(count=100)
    batch = choose(one, 6, strategy="TypiClust").tolist()
    labels = np.full(100, np.nan)
    labels[one.labelled.numpy()] = one.classes.numpy()
    query = TypiClust(missing_label=np.nan, random_state=0)
    expected = query.query(
        X=one.features.double().numpy(), y=labels, candidates=one.candidates.numpy(), batch_size=6
    ).tolist()
    assert batch == expected
    single = []
    for _ in range(6):
        [place] = TypiClust(missing_label=np.nan, random_state=0).query(X=one.features.double().numpy(), y=labels)
        labels[place] = 0
        single.append(int(place))
    assert single != batch


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NoSuch", "no strategy of skactiveml.pool has this name"),
        ("QueryByCommittee", "needs ensemble; expected one that needs at most a classifier"),
        ("GreedySamplingTarget", "needs reg"),
        ("MonteCarloEER", "on made examples it ended with"),
        ("annotations", "no strategy of skactiveml.pool has this name"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_trained(name, text):
    with pytest.raises(OptionError, match=text):
        resolve_strategy(f"scikit-activeml:{name}")


@pytest.mark.parametrize("name", ["Badge", "CoreSet", "TypiClust", "ProbCover", "MaxHerding", "Quire"])
def test_strategies_choose_new_examples(name):
    one = pool()
    chosen = resolve_strategy(f"scikit-activeml:{name}")(one, 7).tolist()
    assert len(set(chosen)) == 7
    assert set(chosen) <= set(one.candidates.tolist())
    assert chosen == choose(one, 7, strategy=name).tolist()
