"""Published subsets: each form, and what is refused."""

import json

import numpy as np
import pytest

from labeleff.errors import LadderError
from labeleff.execution import draws
from labeleff.execution.given_labels import written_lists
from labeleff.execution.published_subsets import ids_sha256, published_positions, read_subsets

IDS = [f"img{i}.png" for i in range(10)]


def write(path, text):
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.json", {"one": ["img3.png", "img1.png"], "ten": ["img0.png"], "two": ["img9.png", "img2.png"]}),
        ("s.tsv", "fold0\tfold1\nimg1.png\timg2.png\nimg3.png\timg9.png\n"),
        ("s.tsv", "id\tfold0\tfold1\nimg1.png\t1\t0\nimg2.png\t0\t1\nimg3.png\ttrain\ttest\nimg9.png\t\t1\n"),
        ("s.csv", "filename,fold0,fold1\nimg1.png,x,\nimg2.png,,x\nimg3.png,x,\nimg9.png,,x\n"),
        ("s.txt", "img1.png img3.png\nimg2.png img9.png\n"),
    ],
)
def test_draws_are_the_lists_of_their_size_in_order(tmp_path, name, content):
    path = write(tmp_path / name, content)
    assert published_positions(path, IDS, 0, 2).tolist() == [1, 3]
    assert published_positions(path, IDS, 1, 2).tolist() == [2, 9]
    with pytest.raises(LadderError, match=r"found 2 lists of 2 ids \(.*expected one for draw 2"):
        published_positions(path, IDS, 2, 2)
    with pytest.raises(LadderError, match="found 0 lists of 7 ids"):
        published_positions(path, IDS, 0, 7)


def test_lists_of_fixmatch_go_by_the_seeds_of_their_names(tmp_path):
    for seed, members in ((10, [5, 6]), (2, [7, 0])):
        write(tmp_path / f"cifar10.{seed}@2-label.json", {"distribution": [0.5, 0.5], "label": members})
    write(tmp_path / "cifar10.2@3-label.json", {"label": [1, 2, 3]})
    ids = [str(i) for i in range(10)]
    assert published_positions(tmp_path, ids, 0, 2).tolist() == [0, 7]
    assert published_positions(tmp_path, ids, 1, 2).tolist() == [5, 6]
    assert draws.read_draws(tmp_path, "cifar10/classify", 0, 3, pool=10).tolist() == [1, 2, 3]
    write(tmp_path / "cifar10.3@4-label.json", {"label": [1, 2, 3]})
    with pytest.raises(LadderError, match="found 3 ids, expected 4 as its name says"):
        read_subsets(tmp_path)


def test_one_id_per_line(tmp_path):
    assert published_positions(write(tmp_path / "s.txt", "img1.png\n\nimg0.png"), IDS, 0, 2).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.json", {"a": ["img1.png", "img1.png"]}, "list 'a': found the id 'img1.png' again"),
        ("s.json", {"a": ["img1.png", "img77.png"]}, "1 of 2 ids that no training example has, such as 'img77.png'"),
        ("s.json", {"a": [1.5, 2]}, r"list 'a': found 1.5, expected texts or whole numbers"),
        ("s.json", {"a": [True, 2]}, "found True, expected texts"),
        ("s.json", {"a": "img1.png"}, "list 'a': found a str, expected a list"),
        ("s.json", "7", "found a int, expected a table"),
        ("s.json", "{", "line 1: not JSON"),
        ("s.json", '{"a": ["x", "y"], "a": ["z", "w"]}', "found the name 'a' twice"),
        ("s.json", "{}", "found no id"),
        ("s.tsv", "id\tfold0\nimg1.png\t2\n", "line 2, column 'fold0': found '2', expected 1 or train"),
        ("s.tsv", "id\tfold0\nimg1.png\n", "line 2: found 1 fields, expected 2"),
        ("s.tsv", "id\tfold0\n", "found 1 rows"),
        ("s.yaml", "a", "found the ending '.yaml'"),
        ("s.txt", "", "found no id"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, content, message):
    with pytest.raises(LadderError, match=rf"s\.\w+.*{message}"):
        published_positions(write(tmp_path / name, content), IDS, 0, 2)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(LadderError, match="No such file"):
        read_subsets(tmp_path / "s.json")
    (tmp_path / "s.json").write_bytes(b"\xff\xfe")
    with pytest.raises(LadderError, match="line 1: not JSON"):
        read_subsets(tmp_path / "s.json")
    with pytest.raises(LadderError, match=r"found no file NAME.SEED@N-label.json"):
        read_subsets(tmp_path)


def test_exported_ids_hold_in_another_order_of_the_files(tmp_path):
    labels = np.array([0, 1] * 5)
    written_lists.export_draws(tmp_path, "t", labels, [4], [0], "stratified", IDS)
    expected = {IDS[i] for i in draws.read_draws(tmp_path, "t", 0, 4, ids=IDS)}
    turned = IDS[::-1]
    assert {turned[i] for i in draws.read_draws(tmp_path, "t", 0, 4, ids=turned)} == expected
    manifest = json.loads((tmp_path / "t" / "manifest.json").read_text())
    assert manifest["files"]["draw0-n4.txt"]["ids_sha256"] == ids_sha256(expected)
    path = tmp_path / "t" / "draw0-n4.ids.txt"
    other = next(one for one in IDS if one not in expected)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([other, *lines[1:]]))
    with pytest.raises(LadderError, match="found ids of SHA-256"):
        draws.read_draws(tmp_path, "t", 0, 4, ids=IDS)
    path.write_text("\n".join(lines[1:]))
    with pytest.raises(LadderError, match="found 3 ids, expected 4"):
        draws.read_draws(tmp_path, "t", 0, 4, ids=IDS)


def test_several_labels_are_counted_one_by_one(tmp_path):
    flags = np.array([[1, 1], [0, 1], [1, 0], [0, 0]])
    written_lists.export_draws(tmp_path, "t", flags, [4], [0], "stratified")
    manifest = json.loads((tmp_path / "t" / "manifest.json").read_text())
    assert manifest["files"]["draw0-n4.txt"]["counts"] == [2, 2]
