import subprocess

import numpy as np
import pytest

from labeleff.errors import DataError
from labeleff.plugins.tasks.sources import arrays


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept" / "these"


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"images": np.arange(12, dtype=np.uint8).reshape(3, 4), "angles": np.linspace(0, 1, 3)}


def test_arrays_are_made_once(folder):
    maker = Maker()
    first, second = arrays.load_or_make(folder, maker), arrays.load_or_make(folder, maker)
    assert maker.calls == 1
    for name, array in maker().items():
        np.testing.assert_array_equal(first[name], array)
        np.testing.assert_array_equal(second[name], array)
        assert second[name].dtype == array.dtype


def test_the_list_of_sums_is_what_sha256sum_reads(folder):
    arrays.load_or_make(folder, Maker())
    checked = subprocess.run(["sha256sum", "-c", arrays.SUMS], cwd=folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", ["images.npy", "angles.npy", arrays.SUMS])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "empty"])
def test_what_is_damaged_is_made_again_and_said(folder, caplog, name, damage):
    maker = Maker()
    arrays.load_or_make(folder, maker)
    path, content = folder / name, (folder / name).read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        changed = {"flip": bytes([content[0] ^ 1]) + content[1:], "cut": content[:-5], "empty": b""}[damage]
        path.write_bytes(changed)
    again = arrays.load_or_make(folder, maker)
    assert maker.calls == 2
    assert "making it again" in caplog.text
    np.testing.assert_array_equal(again["images"], maker()["images"])
    assert {item.name for item in folder.iterdir()} == {"images.npy", "angles.npy", arrays.SUMS}


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    maker = Maker()
    found = arrays.load_or_make(tmp_path / "file" / "these", maker)
    assert maker.calls == 1
    np.testing.assert_array_equal(found["images"], maker()["images"])
    assert "not kept" in caplog.text


class Blocks(Maker):
    """The same images block by block."""

    def __call__(self):
        whole = super().__call__()["images"]
        return {"images": arrays.Streamed(whole.shape, np.uint8, lambda: iter((whole[:2], whole[2:])))}


def test_blocks_are_kept_as_the_whole_array_is(folder):
    whole, blocks = Maker(), Blocks()
    arrays.load_or_make(folder, whole)
    found = arrays.load_or_make(folder.with_name("blocks"), blocks)
    np.testing.assert_array_equal(found["images"], whole()["images"])
    assert (folder.with_name("blocks") / "images.npy").read_bytes() == (folder / "images.npy").read_bytes()
    arrays.load_or_make(folder.with_name("blocks"), blocks)
    assert blocks.calls == 1


def test_blocks_that_cant_be_written_are_put_together(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    found = arrays.load_or_make(tmp_path / "file" / "these", Blocks())
    np.testing.assert_array_equal(found["images"], Maker()()["images"])
    assert "not kept" in caplog.text


@pytest.mark.parametrize("late", [False, True], ids=["before", "between blocks"])
def test_an_error_of_the_maker_is_the_callers_and_nothing_stays(folder, caplog, late):
    def fail():
        yield np.zeros((1, 4), np.uint8)
        raise DataError("the source is broken")

    def make():
        if not late:
            raise DataError("the source is broken")
        return {"images": arrays.Streamed((3, 4), np.uint8, fail)}

    with pytest.raises(DataError, match="the source is broken"):
        arrays.load_or_make(folder, make)
    assert not folder.exists()
    assert not caplog.text
