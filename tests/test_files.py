import pytest

from labeleff.files import write_together, write_whole


def test_a_file_is_replaced_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [found.name for found in path.parent.iterdir()] == ["file.txt"]


def test_a_failure_names_the_file_and_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken") as caught:
        write_whole(tmp_path / "taken", b"x")
    assert caught.value.filename == str(tmp_path / "taken")
    assert [found.name for found in tmp_path.iterdir()] == ["taken"]


def test_files_are_put_in_place_together(tmp_path):
    write_together(tmp_path / "new", {"a.txt": b"one", "in/b.txt": b"two"})
    write_together(tmp_path / "new", {"a.txt": b"three"})
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} == {"new", "new/a.txt", "new/in", "new/in/b.txt"}
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"three"


@pytest.mark.parametrize("taken", ["in", "in/b.txt"])
def test_where_one_cant_be_put_in_place_none_is(tmp_path, taken):
    """A file where a folder is needed, and a folder where a file belongs."""
    (tmp_path / "a.txt").write_bytes(b"old")
    (tmp_path / "in").mkdir() if "/" in taken else (tmp_path / "in").touch()
    if "/" in taken:
        (tmp_path / taken).mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match="in") as caught:
        write_together(tmp_path, {"a.txt": b"new", "deep/er/c.txt": b"x", "in/b.txt": b"two"})
    assert caught.value.filename == str(tmp_path / "in" / "b.txt")
    assert caught.value.strerror
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "a.txt").read_bytes() == b"old"
