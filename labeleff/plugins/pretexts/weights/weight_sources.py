"""Sources of outside weights: a local file, timm, torchvision.

A file is of safetensors, or saved by torch. timm's weights are cached by the hub's client (`HF_HOME`),
torchvision's by torch (`TORCH_HOME`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlparse

import huggingface_hub
import timm
import torch
import torchvision
from huggingface_hub.errors import HfHubHTTPError
from torchvision.models import get_model_weights, get_weight, list_models

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import AbsentWeightsError, WeightsError
from labeleff.plugins.pretexts.weights.outside_weights import Weights, under, unknown
from labeleff.plugins.pretexts.weights.weight_files import read_checkpoint, read_state
from labeleff.training.examples import Source


def load_file(options: Mapping[str, OptionValue], source: Source) -> Weights:
    """Load the tensors in the file `path`; with `prefix`, only those whose names begin with it."""
    path = source.place(str(options["path"]))
    state, key = read_checkpoint(path)
    prefix = str(options["prefix"])
    whole = Weights(state, f"file {path}{f', its {key[:-1]!r}' if key else ''}")
    return under(prefix.removeprefix(key) if prefix.startswith(key) and key else prefix, whole)


FILE = "model.safetensors"


def load_timm(options: Mapping[str, OptionValue], source: Source) -> Weights:
    """Load the tensors of timm's pretrained `model`; a name without a tag stands for timm's first one.

    Raises WeightsError for a model that timm has no weights for, and where they can't be had.
    """
    name = str(options["model"])
    try:
        entry = timm.get_pretrained_cfg(name)
    except RuntimeError:
        entry = None
    if entry is None or not entry.hf_hub_id:
        raise unknown("pretrained model of timm", name, timm.list_pretrained())
    file = entry.hf_hub_filename or FILE
    try:
        path = Path(huggingface_hub.hf_hub_download(entry.hf_hub_id, file, local_files_only=source.offline))
    except (OSError, ValueError, HfHubHTTPError) as error:
        what = f"{file} of https://huggingface.co/{entry.hf_hub_id} can't be had"
        if source.offline:
            hint = "it isn't in the cache and --offline was given; run once without it"
            raise AbsentWeightsError(f"{what}: {hint}") from error
        raise WeightsError(f"{what}: {error}") from error
    full = f"{entry.architecture}.{entry.tag}" if entry.tag else entry.architecture
    where = f"https://huggingface.co/{entry.hf_hub_id}, revision {path.parent.name}"
    return Weights(read_state(path), f"timm {timm.__version__}, {full}, {where}")


def load_torchvision(options: Mapping[str, OptionValue], source: Source) -> Weights:
    """Load the tensors of torchvision's entry `weights`, checked by the hash in the file's name when downloaded.

    Raises WeightsError for an entry that torchvision doesn't have, and where the file can't be had.
    """
    name = str(options["weights"])
    try:
        url = str(get_weight(name).url)
    except (ValueError, KeyError, AttributeError) as error:
        entries = {str(entry) for model in list_models() for entry in get_model_weights(model)}
        raise unknown("weights of torchvision", name, entries) from error
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if not path.exists():
        _fetch(url, path, source)
    return Weights(read_state(path), f"torchvision {torchvision.__version__}, {name}, {url}")


def _fetch(url: str, path: Path, source: Source) -> None:
    if source.offline:
        hint = f"run once without it, or put {url} there"
        raise AbsentWeightsError(f"{path} isn't there, and --offline was given; {hint}")
    prefix = path.stem.rpartition("-")[2]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=False)
    except (URLError, OSError, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise WeightsError(f"{url}: can't be fetched: {reason}; you can put the file at {path}") from error
