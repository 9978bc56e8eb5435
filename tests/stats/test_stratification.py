"""Orders and folds: nested, in their shares, of exact sizes; iterative stratification against a slow version."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeleff.stats.stratification import (
    balanced_order,
    covering_order,
    folds_by_group,
    iterative_folds,
    proportional_order,
    several_labels_order,
)

POOLS = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(lambda x: np.array(x, dtype=np.int64))
FLAGS = st.tuples(st.integers(1, 25), st.integers(1, 4), st.integers(0, 2**32 - 1)).map(
    lambda s: np.random.default_rng(s[2]).random(s[:2]) < np.random.default_rng(s[2]).random(s[1])
)


def shuffled(count, seed):
    rng = np.random.default_rng(seed)
    return rng.permutation(count), rng


@given(POOLS, st.integers(0, 99))
def test_balanced_counts_differ_by_one_while_classes_last(labels, seed):
    order = balanced_order(labels, *shuffled(len(labels), seed))
    assert sorted(order) == list(range(len(labels)))
    classes, sizes = np.unique(labels, return_counts=True)
    counts = np.cumsum(labels[order][:, None] == classes, axis=0)
    for row in counts:
        unfinished = row[row < sizes]
        assert len(unfinished) == 0 or (row.max() - unfinished.min() <= 1)


@given(POOLS, st.integers(0, 99))
def test_covering_is_a_beginning_with_one_of_each_class(labels, seed):
    order = proportional_order(labels, *shuffled(len(labels), seed))
    covering = covering_order(labels, order)
    classes = len(np.unique(labels))
    assert sorted(covering) == list(range(len(labels)))
    for n in range(classes, len(labels) + 1):
        chosen = covering[:n]
        assert len(np.unique(labels[chosen])) == classes
        longest = next(m for m in range(len(labels), -1, -1) if set(order[:m]) <= set(chosen))
        absent = classes - len(np.unique(labels[order[:longest]]))
        assert n == longest + absent


def slow_folds(flags, sizes, order, rng):
    """Sechidis et al. (2011), algorithm 1, with full folds left out."""
    room, folds = list(sizes), {}
    wanted = [[flags[:, k].sum() * (size / len(flags)) for size in sizes] for k in range(flags.shape[1])]
    while True:
        left = {k: sum(flags[i, k] for i in order if i not in folds) for k in range(flags.shape[1])}
        left = {k: count for k, count in left.items() if count}
        if not left:
            break
        label = min(left, key=lambda k: (left[k], k))
        for i in [i for i in order if flags[i, label] and i not in folds]:
            best = [f for f in range(len(sizes)) if room[f] > 0]
            best = [f for f in best if wanted[label][f] >= max(wanted[label][g] for g in best) - 1e-9]
            best = [f for f in best if room[f] == max(room[g] for g in best)]
            fold = best[0] if len(best) == 1 else int(rng.choice(best))
            folds[i] = fold
            room[fold] -= 1
            for k in np.flatnonzero(flags[i]):
                wanted[k][fold] -= 1
    rest = [i for i in order if i not in folds]
    for i, fold in zip(rest, rng.permutation(np.repeat(np.arange(len(room)), room)), strict=True):
        folds[i] = int(fold)
    return [folds[i] for i in range(len(flags))]


@given(FLAGS, st.integers(0, 99), st.data())
def test_iterative_folds_are_those_of_a_slow_version_and_of_exact_sizes(flags, seed, data):
    cut = data.draw(st.integers(0, len(flags)))
    sizes = [cut, len(flags) - cut]
    order, _ = shuffled(len(flags), seed)
    fast = iterative_folds(flags, sizes, order, np.random.default_rng(seed))
    assert fast.tolist() == slow_folds(flags, sizes, order, np.random.default_rng(seed))
    assert np.bincount(fast, minlength=2).tolist() == sizes


def test_rare_labels_are_in_every_fold_and_more_even_than_by_chance():
    rng = np.random.default_rng(1)
    flags = rng.random((400, 8)) < np.array([0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.0125])
    order = rng.permutation(400)
    folds = iterative_folds(flags, [40] * 10, order, rng)
    shares = np.array([flags[folds == f].sum(0) for f in range(10)])
    assert (shares >= np.minimum(flags.sum(0) // 10, 1)).all()
    chance = np.array([flags[order[f * 40 : f * 40 + 40]].sum(0) for f in range(10)])
    assert shares.std(0).mean() < 0.4 * chance.std(0).mean()


def test_exact_counts_where_shares_would_be_rounded():
    """1 % of 1,797 is 17 or 18 elsewhere, and 100 and 500 of 1,000 become 167 and 833; here a count is a count."""
    rng = np.random.default_rng(0)
    for total, test in ((1797, 17), (1797, 18), (1000, 100), (600, 500)):
        flags = rng.random((total, 3)) < 0.3
        folds = iterative_folds(flags, [test, total - test], rng.permutation(total), rng)
        assert np.bincount(folds).tolist() == [test, total - test]
    with pytest.raises(ValueError, match="expected sizes with the sum 600"):
        iterative_folds(flags, [100, 499], np.arange(600), rng)


@given(FLAGS, st.integers(0, 99))
def test_orders_of_several_labels_are_permutations(flags, seed):
    order = several_labels_order(flags, shuffled(len(flags), seed)[0])
    assert sorted(order) == list(range(len(flags)))


def test_orders_of_several_labels_keep_shares_nearer_than_chance():
    rng = np.random.default_rng(2)
    flags = rng.random((600, 6)) < np.array([0.6, 0.4, 0.2, 0.1, 0.05, 0.02])
    off = {"order": [], "chance": []}
    for seed in range(5):
        chance, _ = shuffled(600, seed)
        for name, order in {"order": several_labels_order(flags, chance), "chance": chance}.items():
            for n in (50, 100, 200, 400):
                off[name].append(np.abs(flags[order[:n]].sum(0) - n * flags.mean(0)).mean())
    assert np.mean(off["order"]) < 0.4 * np.mean(off["chance"])


@given(
    st.lists(st.integers(0, 8), min_size=3, max_size=60).map(lambda x: np.unique(x, return_inverse=True)[1]),
    st.integers(2, 4),
    st.integers(0, 99),
)
def test_groups_are_on_one_side_and_folds_near_their_sizes(groups, count, seed):
    sizes = [len(groups) // count + (i < len(groups) % count) for i in range(count)]
    folds = folds_by_group(groups, sizes, np.random.default_rng(seed))
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    found, largest = np.bincount(folds, minlength=count), np.bincount(groups).max()
    assert (found - sizes <= largest).all()
    if len(np.unique(groups)) >= count:
        assert (found > 0).all()


def test_small_folds_get_groups_of_every_size():
    groups = np.repeat(np.arange(20), [1] * 10 + [10] * 10)
    sizes = [folds_by_group(groups, [11, 99], np.random.default_rng(seed)) for seed in range(200)]
    large = np.mean([(one[groups >= 10] == 0).any() for one in sizes])
    assert large > 0.3
