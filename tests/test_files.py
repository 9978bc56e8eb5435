import pytest

from labeleff.files import write_whole


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
