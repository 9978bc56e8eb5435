"""Archives from elsewhere: cut short, too large, or missing a member."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from labeleff.errors import DataError
from labeleff.plugins.tasks.sources import download


def silent(done, total, what):
    pass


class Response(io.BytesIO):
    """A response that promises 100 bytes."""

    headers = {"Content-Length": "100"}  # noqa: RUF012


def test_a_download_that_stops_early_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(download.urllib.request, "urlopen", lambda *_, **__: Response(b"x" * 60))
    with pytest.raises(DataError, match=r"http://h/f: found 60 bytes, expected 100; the download was cut short"):
        download.fetch_url("http://h/f", tmp_path / "f", silent)


def test_a_download_that_breaks_off_is_refused(tmp_path, monkeypatch):
    class Broken(Response):
        def read(self, *_):
            raise TimeoutError("timed out")

    monkeypatch.setattr(download.urllib.request, "urlopen", lambda *_, **__: Broken())
    with pytest.raises(DataError, match=r"http://h/f: the download broke off: timed out"):
        download.fetch_url("http://h/f", tmp_path / "f", silent)


def pack(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def link(name, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def test_only_regular_files_that_were_asked_for_are_read(tmp_path):
    archive = pack(tmp_path / "a.tgz", [(tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("../b"), b"2")])
    assert download.read_members(archive, {"a": 1}, silent) == {"a": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_a_link_is_not_followed(tmp_path):
    archive = pack(tmp_path / "a.tgz", [(link("a", "/etc/passwd"), b"")])
    with pytest.raises(DataError, match=r"a.tgz: a not there; found none"):
        download.read_members(archive, {"a": 10_000}, silent)


def special(name, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "a"
    return member


@pytest.mark.parametrize(
    "name", ["../x", "../../x", "/tmp/x-of-an-archive", "sub/../../x", "C:\\x", "a\n../x", "./a", "a/", ".", ""]
)
@pytest.mark.parametrize(
    "kind",
    [
        tarfile.REGTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
    ],
)
def test_members_outside_and_special_ones_are_passed_over(tmp_path, name, kind):
    """Nothing is written, wherever a member says that it belongs, and what was asked for is read all the same."""
    inside = tmp_path / "inside"
    inside.mkdir()
    archive = pack(inside / "a.tgz", [(special(name, kind), b""), (tarfile.TarInfo("a"), b"1")])
    assert download.read_members(archive, {"a": 1}, silent) == {"a": b"1"}
    assert [path.name for path in inside.iterdir()] == ["a.tgz"]
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert not Path("/tmp/x-of-an-archive").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_was_asked_for_must_be_a_regular_file(tmp_path, kind):
    archive = pack(tmp_path / "a.tgz", [(special("a", kind), b"")])
    with pytest.raises(DataError, match=r"a.tgz: a not there; found none"):
        download.read_members(archive, {"a": 10}, silent)


def test_a_member_over_its_limit_is_refused(tmp_path):
    archive = pack(tmp_path / "a.tgz", [(tarfile.TarInfo("a"), b"123")])
    with pytest.raises(DataError, match=r"a.tgz, a: found 3 bytes, expected 2 at most"):
        download.read_members(archive, {"a": 2}, silent)


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "a.tgz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"a.tgz: can't be read: .*found 22 bytes"):
        download.read_members(tmp_path / "a.tgz", {"a": 2}, silent)
