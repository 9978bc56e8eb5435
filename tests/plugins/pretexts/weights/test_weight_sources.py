"""Weights of torchvision and timm: where they are looked for, and what is said where they can't be had."""

from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from labeleff.catalogue import lookup
from labeleff.errors import WeightsError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.weights.outside_weights import Weights, fill
from labeleff.plugins.pretexts.weights.weight_files import read_state
from labeleff.training.examples import Source

OFFLINE = Source(None, offline=True)


@pytest.fixture(scope="module")
def resnet18():
    torch.manual_seed(0)
    return torchvision.models.resnet18()


def load(name, options, source=OFFLINE):
    return lookup.resolve("pretext", name)(lookup.complete("pretext", name, options).options, source)


ENTRY = "ResNet18_Weights.IMAGENET1K_V1"


def test_torchvision_is_read_from_torchs_folder(tmp_path, monkeypatch, resnet18):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    with pytest.raises(WeightsError, match=r"resnet18-f37072fd\.pth isn't there, and --offline was given"):
        load("torchvision", {"weights": ENTRY})
    folder.mkdir(parents=True)
    torch.save(resnet18.state_dict(), folder / "resnet18-f37072fd.pth")
    weights = load("torchvision", {"weights": ENTRY})
    assert weights.sha256 == Weights(resnet18.state_dict(), "").sha256
    url = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert weights.provenance == f"torchvision {torchvision.__version__}, {ENTRY}, {url}"


def test_torchvision_is_downloaded_with_its_hash_checked(tmp_path, monkeypatch, resnet18):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    asked = []

    def download(url, path, hash_prefix, progress):
        asked.append((url.rpartition("/")[2], hash_prefix))
        torch.save(resnet18.state_dict(), path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    load("torchvision", {"weights": ENTRY}, Source(None))
    load("torchvision", {"weights": ENTRY}, Source(None))
    assert asked == [("resnet18-f37072fd.pth", "f37072fd")]


def test_a_failed_download_says_where_the_file_can_go(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def download(*_, **__):
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(WeightsError, match=r"can't be fetched: no route; you can put the file at .*checkpoints"):
        load("torchvision", {"weights": ENTRY}, Source(None))


@pytest.mark.parametrize(
    "name", ["ResNet18_Weights.IMAGENET1K_V9", "ResNet18_Weight.IMAGENET1K_V1", "ResNet18_Weights"]
)
def test_unknown_entries_of_torchvision_get_the_nearest(name):
    with pytest.raises(WeightsError, match=r"did you mean ResNet18_Weights\.IMAGENET1K_V1"):
        load("torchvision", {"weights": name})


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that has one model, and a list of what it was asked for."""
    timm = pytest.importorskip("timm", reason="timm (an extra) isn't there")
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub (an extra) isn't there")
    asked = []

    def download(repository, file, local_files_only):
        asked.append((repository, file, local_files_only))
        path = tmp_path / "snapshots" / "0123abc" / file
        if not path.exists():
            raise hub.errors.LocalEntryNotFoundError("not in the cache")
        return str(path)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    folder = tmp_path / "snapshots" / "0123abc"
    folder.mkdir(parents=True)
    save_file(timm.create_model("resnet18", pretrained=False).state_dict(), folder / "model.safetensors")
    return asked, folder / "model.safetensors", timm.__version__


def test_timm_is_read_from_the_hubs_file(hub):
    asked, path, version = hub
    weights = load("timm", {"model": "resnet18.a1_in1k"})
    assert asked == [("timm/resnet18.a1_in1k", "model.safetensors", True)]
    assert weights.provenance == (
        f"timm {version}, resnet18.a1_in1k, https://huggingface.co/timm/resnet18.a1_in1k, revision 0123abc"
    )
    assert weights.sha256 == Weights(read_state(path), "").sha256
    fill(build_encoder(lookup.complete("encoder", "resnet18_imagenet", {}), 0), weights, "refuse", "what")
    load("timm", {"model": "resnet18"}, Source(None))
    assert asked[1][2] is False


def test_timm_offline_says_how_to_get_it(hub):
    _, path, _ = hub
    path.unlink()
    with pytest.raises(WeightsError, match=r"timm/resnet18\.a1_in1k can't be had: .*--offline was given; run once"):
        load("timm", {"model": "resnet18.a1_in1k"})
    with pytest.raises(WeightsError, match="can't be had: not in the cache"):
        load("timm", {"model": "resnet18.a1_in1k"}, Source(None))


@pytest.mark.parametrize("name", ["resnet18.a1_in2k", "resnt18", "test/none"])
def test_unknown_models_of_timm_get_the_nearest(hub, name):
    with pytest.raises(WeightsError, match=f"unknown pretrained model of timm '{name}'"):
        load("timm", {"model": name})
