import pytest

from labeleff.errors import OptionError
from labeleff.scheduling.jobs import pretraining_key
from labeleff.scheduling.shards import Shard, loads
from labeleff.study.loading import built_in, load_study


@pytest.mark.parametrize("name", built_in())
@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_parts_hold_every_cell_once_and_no_pretraining_twice(name, count):
    cells = list(load_study(name).cells())
    parts = [part for _, part in loads(cells, count)]
    assert sorted(cell.key for part in parts for cell in part) == sorted(cell.key for cell in cells)
    made = [{c.pretraining.key for c in part if pretraining_key(c) is not None} for part in parts]
    assert sum(map(len, made)) == len(set().union(*made))


def test_parts_are_balanced_as_far_as_pieces_go():
    """No part is longer than the mean by more than the longest piece, which is all that a greedy order can promise."""
    cells = list(load_study("cifar10-small").cells())
    seconds = [part for part, _ in loads(cells, 4)]
    longest = max(part for part, _ in loads(cells, 10_000))
    assert max(seconds) <= sum(seconds) / 4 + longest
    assert min(seconds) > 0


def test_the_same_parts_wherever_and_whenever(tmp_path, monkeypatch):
    """Speeds measured on one machine must not move a cell into another part there."""
    cells = list(load_study("smoke").cells())
    before = loads(cells, 3)
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "speed.json").write_text('{"resnet9(dim=0, width=0.0625) at 32 px": 1.0}')
    assert loads(cells, 3) == before


def test_more_parts_than_pieces_leaves_some_empty():
    parts = loads(list(load_study("smoke").cells()), 100)
    assert len(parts) == 100
    assert parts[-1] == (0.0, [])


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1.0/2", "1/2/3", "٣/٤", "1/99999"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(OptionError, match="expected i/k with i from 1 to k"):
        Shard.of(text)


def test_a_shard_has_a_folder_of_its_own():
    assert str(Shard.of("2/8").folder("mine")) == "runs/mine-2of8"
