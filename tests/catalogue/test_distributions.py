"""Installed packages by version, and by the commit or hash that says which build it is."""

import json
from importlib import metadata

import pytest

from labeleff.catalogue.distributions import Build, build_of


def installed(folder, direct_url=None, record="a.py,sha256=x,1\n"):
    """A package as pip leaves it."""
    place = folder / "quadrants-0.2.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: quadrants\nVersion: 0.2\n")
    if record is not None:
        (place / "RECORD").write_text(record)
    if direct_url is not None:
        (place / "direct_url.json").write_text(direct_url if isinstance(direct_url, str) else json.dumps(direct_url))
    return metadata.Distribution.at(place)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("direct_url", "words"),
    [
        ({"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, "quadrants 0.2, commit 0123456789ab"),
        ({"url": "u", "archive_info": {"hashes": {"sha256": "fe" * 32}}}, "quadrants 0.2, sha256 fefefefefefe"),
        ({"url": "u", "archive_info": {"hash": f"sha256={'cd' * 32}"}}, "quadrants 0.2, sha256 cdcdcdcdcdcd"),
        ({"url": "file:///x", "dir_info": {"editable": True}}, "quadrants 0.2"),
    ],
)
def test_an_origin_that_pip_recorded_is_kept(tmp_path, direct_url, words):
    assert str(build_of(installed(tmp_path, direct_url))) == words


@pytest.mark.parametrize("direct_url", [None, "{", "[]", {"archive_info": {}}, {"vcs_info": 3}])
def test_without_one_the_list_of_files_tells_builds_apart(tmp_path, direct_url):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = build_of(installed(tmp_path / "one", direct_url))
    second = build_of(installed(tmp_path / "two", direct_url, "a.py,sha256=y,1\n"))
    assert first.commit is second.commit is None
    assert len(first.sha256) == len(second.sha256) == 12
    assert first.sha256 != second.sha256


def test_a_package_that_says_nothing_has_its_version_alone(tmp_path):
    assert build_of(installed(tmp_path, record=None)) == Build("quadrants", "0.2")
