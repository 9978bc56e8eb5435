"""Draws of labels: nested, stratified, fair, reproducible; and their published lists."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeleff.errors import LadderError
from labeleff.execution import draws
from labeleff.execution.given_labels import written_lists

balanced = st.tuples(st.integers(1, 12), st.integers(1, 20)).map(lambda s: np.repeat(np.arange(s[0]), s[1]))
any_pool = st.lists(st.integers(0, 6), min_size=1, max_size=150).map(lambda x: np.array(x, dtype=np.int64))
subsets = st.sampled_from(["stratified", "random", "prefix", "balanced", "covering"])


@settings(deadline=None)
@given(any_pool, st.integers(0, 50), subsets, st.data())
def test_rungs_are_nested_sorted_and_of_the_size_asked_for(labels, draw, subset, data):
    order = draws.draw_order(labels, draw, subset=subset, task="t")
    assert sorted(order) == list(range(len(labels)))
    large = data.draw(st.integers(1, len(labels)))
    small = data.draw(st.integers(1, large))
    big, little = draws.rung_indices(order, large), draws.rung_indices(order, small)
    assert (len(little), len(big)) == (small, large)
    assert set(little) <= set(big)
    assert (np.diff(big) > 0).all()


@settings(deadline=None)
@given(balanced, st.integers(0, 50))
def test_counts_of_balanced_classes_differ_by_one_at_most_at_every_rung(labels, draw):
    rng = np.random.default_rng(draw)
    labels = rng.permutation(labels)
    order = draws.draw_order(labels, draw, subset="stratified", task="t")
    counts = np.cumsum(labels[order][:, None] == np.arange(labels.max() + 1), axis=0)
    assert (counts.max(1) - counts.min(1) <= 1).all()


@settings(max_examples=200, deadline=None)
@given(any_pool, st.integers(0, 50))
def test_counts_of_unbalanced_classes_are_near_their_share(labels, draw):
    classes = np.unique(labels)
    share = (labels[:, None] == classes).mean(0)
    order = draws.draw_order(labels, draw, subset="stratified", task="t")
    counts = np.cumsum(labels[order][:, None] == classes, axis=0)
    expected = np.arange(1, len(labels) + 1)[:, None] * share
    assert (np.abs(counts - expected) < 1 + len(classes) * share).all()


def test_draws_of_examples_with_several_labels_ignore_them_or_keep_their_shares():
    flags = np.array([[1, 0], [0, 0], [1, 1], [0, 1]] * 5)
    for subset in ("stratified", "random", "prefix"):
        assert sorted(draws.draw_order(flags, 0, subset=subset, task="t")) == list(range(20))
    order = draws.draw_order(flags, 0, subset="stratified", task="t")
    assert (np.abs(np.cumsum(flags[order], 0) - np.arange(1, 21)[:, None] / 2) <= 1.5).all()
    with pytest.raises(LadderError, match="found subset 'balanced' of examples with several labels"):
        draws.draw_order(flags, 0, subset="balanced", task="t")


def test_shares_of_a_skewed_pool_are_within_two_of_proportional():
    labels = np.repeat(np.arange(5), [600, 300, 60, 30, 10])
    for draw in range(20):
        order = draws.draw_order(labels, draw, subset="stratified", task="t")
        for n in (20, 50, 200, 500):
            counts = np.bincount(labels[order[:n]], minlength=5)
            assert (np.abs(counts - n * np.array([0.6, 0.3, 0.06, 0.03, 0.01])) <= 2).all()


def test_remainders_fall_on_every_class_alike():
    labels = np.repeat(np.arange(10), 100)
    extra = np.zeros(10)
    for draw in range(400):
        order = draws.draw_order(labels, draw, subset="stratified", task="t")
        extra += np.bincount(labels[order[:53]], minlength=10) - 5
    # 3 of 10 classes get one more: 120 times each of 400 draws, standard deviation 9.2
    assert extra.sum() == 1200
    assert (np.abs(extra - 120) < 5 * 9.2).all()
    assert abs(extra[:5].sum() - 600) < 5 * 13


def test_examples_within_a_class_are_drawn_alike():
    labels = np.repeat(np.arange(2), 10)
    hits = np.zeros(20)
    for draw in range(400):
        hits[draws.draw_order(labels, draw, subset="stratified", task="t")[:4]] += 1
    assert (np.abs(hits - 80) < 5 * 8).all()


def test_draws_depend_on_task_and_draw_alone():
    labels = np.repeat(np.arange(10), 50)

    def order(draw, task, subset="stratified"):
        return draws.draw_order(labels, draw, subset=subset, task=task).tolist()

    assert order(0, "a") == order(0, "a")
    for subset in ("stratified", "random"):
        assert order(0, "a", subset) != order(1, "a", subset)
        assert order(0, "a", subset) != order(0, "b", subset)
    assert order(0, "a", "prefix") == order(1, "b", "prefix") == list(range(500))


def test_known_draw_does_not_change():
    order = draws.draw_order(np.arange(12) % 3, 0, subset="stratified", task="t")
    assert order.tolist() == [11, 6, 7, 4, 3, 5, 10, 9, 2, 0, 1, 8]


def test_a_rung_over_the_pool_names_both_numbers():
    order = np.arange(10)
    for n in (11, 0):
        with pytest.raises(LadderError, match=rf"{n} labels asked for.*10 examples"):
            draws.rung_indices(order, n)
    with pytest.raises(LadderError, match=r"11 labels asked for.*10 examples"):
        draws.check_rung(np.zeros(10, dtype=np.int64), np.arange(11), ["a"])


def test_missing_classes_are_named_or_returned():
    labels = np.array([0, 0, 1, 2])
    names = ["cup", "boat", "tree", "lamp"]
    with pytest.raises(LadderError, match=r"no example of 2 of 4 classes: tree, lamp"):
        draws.check_rung(labels, np.array([0, 2]), names)
    assert draws.check_rung(labels, np.array([0, 2]), names, allow_missing_classes=True) == ["tree", "lamp"]
    assert draws.check_rung(labels, np.array([0, 2, 3]), names[:3]) == []


def test_hash_is_that_of_little_endian_int64():
    assert draws.indices_sha256(np.array([3, 258])) == hashlib.sha256(struct.pack("<qq", 3, 258)).hexdigest()
    assert draws.indices_sha256(np.array([258, 3])) == draws.indices_sha256(np.array([3, 258]))


@pytest.fixture
def exported(tmp_path):
    labels = np.repeat(np.arange(10), 20)
    written_lists.export_draws(tmp_path, "toy/classify(size=32)", labels, [10, 50], [0, 1], "stratified")
    return tmp_path


def read(folder, draw=0, n=10, **kwargs):
    return draws.read_draws(folder, "toy/classify(size=32)", draw, n, **kwargs)


def test_exported_draws_read_back(exported):
    labels = np.repeat(np.arange(10), 20)
    for draw in (0, 1):
        order = draws.draw_order(labels, draw, subset="stratified", task="toy/classify")
        for n in (10, 50):
            assert read(exported, draw, n, pool=200).tolist() == draws.rung_indices(order, n).tolist()
    manifest = json.loads((exported / "toy-classify-size=32" / "manifest.json").read_text())
    assert (manifest["subset"], manifest["pool"]) == ("stratified", 200)
    entry = manifest["files"]["draw1-n50.txt"]
    assert entry["counts"] == [5] * 10
    assert entry["sha256"] == draws.indices_sha256(read(exported, 1, 50))


def test_file_names_are_readable(tmp_path):
    path = draws.draw_path(tmp_path, "cifar10/classify", 0, 50)
    assert path.relative_to(tmp_path).as_posix() == "cifar10-classify/draw0-n50.txt"
    odd = draws.draw_path(tmp_path, "folder/classify(path=../../etc, size=32)", 0, 50)
    assert odd.parent.parent == tmp_path


PLACES = "embeddings/classify(files=clip={}/clip.npz;dino={}/dino.npz)"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLACES.format("/data/a-b", "/x"), PLACES.format("/data/a/b", "/x")),
        (PLACES.format("/data/" + 40 * "abcdefgh", "/x"), PLACES.format("/data/" + 40 * "abcdefgh", "/y")),
        ("a/b(c=1.)", "a/b(c=1)"),
        ("a-b/c", "a/b/c"),
    ],
)
def test_two_tasks_never_share_a_folder_and_any_label_can_be_written(one, other, tmp_path):
    labels, expected = np.repeat([0, 1], 20), {}
    for number, label in enumerate((one, other)):
        [path] = written_lists.export_draws(tmp_path, label, labels, [4], [number], "random")
        assert len(path.parent.name) <= 120
        expected[label] = draws.read_draws(tmp_path, label, number, 4).tolist()
    assert len([*tmp_path.iterdir()]) == 2
    for number, label in enumerate((one, other)):
        assert draws.read_draws(tmp_path, label, number, 4).tolist() == expected[label]


def test_folders_from_before_digests_are_read(tmp_path):
    label = PLACES.format("/a", "/b")
    [path] = written_lists.export_draws(tmp_path, label, np.repeat([0, 1], 20), [4], [0], "random")
    expected = draws.read_draws(tmp_path, label, 0, 4).tolist()
    path.parent.rename(tmp_path / "embeddings-classify-files=clip=-a-clip.npz-dino=-b-dino.npz")
    assert draws.read_draws(tmp_path, label, 0, 4).tolist() == expected
    with pytest.raises(LadderError, match=r"found draws of .*clip=/a/clip.npz.*, expected .*clip=/a-clip.npz"):
        draws.read_draws(tmp_path, label.replace("/a/clip", "/a-clip"), 0, 4)
    with pytest.raises(LadderError, match="not there"):
        draws.read_draws(tmp_path, label.replace("/a/clip", 300 * "a"), 0, 4)


def test_a_bare_published_list_is_enough(tmp_path):
    path = draws.draw_path(tmp_path, "cifar10/classify", 0, 3)
    path.parent.mkdir()
    path.write_text("7\n2\n30")
    assert draws.read_draws(tmp_path, "cifar10/classify", 0, 3).tolist() == [2, 7, 30]
    with pytest.raises(LadderError, match=r"line 3: found 30, expected under 30"):
        draws.read_draws(tmp_path, "cifar10/classify", 0, 3, pool=30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:3], "x1", *lines[4:]], r"draw0-n10.txt, line 4: found 'x1', expected an integer"),
        (lambda lines: [*lines[:3], "-1", *lines[4:]], r"line 4: found '-1'"),
        (lambda lines: [*lines[:3], "", *lines[3:]], r"line 4: found ''"),
        (lambda lines: [*lines[:9], lines[0]], r"line 10: found \d+ again.*line 1"),
        (lambda lines: [*lines[:9], "200"], r"line 10: found 200, expected under 200, the size of manifest.json"),
        (lambda lines: lines[:9], r"found 9 indices, expected 10"),
        (lambda lines: [*lines[:9], "199"], r"SHA-256 \w{64}, expected \w{64} in manifest.json"),
    ],
)
def test_a_changed_list_is_refused(exported, change, message):
    path = exported / "toy-classify-size=32" / "draw0-n10.txt"
    lines = path.read_text().split()
    lines[9] = "198"  # so that 199 is free
    path.write_text("\n".join(change(lines)) + "\n")
    with pytest.raises(LadderError, match=message):
        read(exported)


def test_missing_list_and_broken_manifests_are_refused(exported):
    folder = exported / "toy-classify-size=32"
    with pytest.raises(LadderError, match=r"draw7-n10.txt: not there.*--export-draws"):
        read(exported, 7)
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    for broken, message in [
        (text[:50], r"manifest.json, line \d+: not JSON"),
        ("[]", r"found no table 'files'"),
        (text.replace("size=32", "size=64"), r"found draws of 'toy/classify\(size=64\)', expected"),
        (text.replace("draw0-n10", "draw5-n10"), r"draw0-n10.txt: .*expected an entry"),
    ]:
        manifest.write_text(broken)
        with pytest.raises(LadderError, match=message):
            read(exported)


def test_export_to_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LadderError, match="can't be written"):
        written_lists.export_draws(tmp_path / "file", "t", np.zeros(5, dtype=np.int64), [2], [0], "random")


def test_names_beside_positions_keep_a_draw_when_examples_are_added(tmp_path):
    labels, ids = np.repeat([0, 1], 5).astype(np.int64), [f"train/{i}.png" for i in range(10)]
    written_lists.export_draws(tmp_path, "t/classify(size=32)", labels, [4], range(1), "stratified", ids)
    taken = draws.read_draws(tmp_path, "t/classify(size=32)", 0, 4, pool=10, ids=ids)
    assert (taken == draws.read_draws(tmp_path, "t/classify(size=32)", 0, 4, pool=10)).all()
    more = ["train/!new.png", *ids]
    assert (draws.read_draws(tmp_path, "t/classify(size=32)", 0, 4, pool=11, ids=more) == taken + 1).all()
    less = [name for name in ids if name != ids[taken[1]]]
    with pytest.raises(
        LadderError, match=r"draw0-n4.ids.txt: found 1 of 4 ids that no training example has, such as 'train/"
    ):
        draws.read_draws(tmp_path, "t/classify(size=32)", 0, 4, pool=9, ids=less)
