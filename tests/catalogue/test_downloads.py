"""Data that a run would download: what of it is there, and how much is missing."""

import pytest

from labeleff.catalogue.downloads import missing
from labeleff.catalogue.lookup import complete


@pytest.mark.parametrize(
    ("name", "options", "place"),
    [
        ("cifar10/classify", {}, "cifar10"),
        ("svhn/classify", {}, "torchvision/train_32x32.mat"),
        ("babi/qa5", {}, "tasks_1-20_v1-2.tar.gz"),
        ("hf/classify", {"repo": "some/thing", "revision": "main"}, "hf/datasets--some--thing"),
    ],
)
def test_data_are_missing_until_they_are_in_their_place(tmp_path, name, options, place):
    spec = complete("task", name, options)
    found = missing(spec, tmp_path)
    assert found is not None
    assert f"{spec.label}: not there yet, would be downloaded (" in found.note
    (tmp_path / place).mkdir(parents=True)
    assert missing(spec, tmp_path) is None


def test_sizes_are_said_where_they_are_known(tmp_path):
    assert "about 170 MB" in missing(complete("task", "cifar10/classify", {}), tmp_path).note
    repo = complete("task", "hf/classify", {"repo": "a/b", "revision": "c"})
    assert "that its host alone knows" in missing(repo, tmp_path).note


@pytest.mark.parametrize(
    ("name", "options"),
    [("toy/classify", {}), ("folder/classify", {"path": "x"}), ("babi/qa1", {"source": "generated"})],
)
def test_nothing_is_downloaded_for_made_tasks_and_own_files(tmp_path, name, options):
    assert missing(complete("task", name, options), tmp_path) is None
