"""Weights of torchvision's model zoo, by the name of the entry: `ResNet18_Weights.IMAGENET1K_V1`.

They are looked for, and kept, where torch keeps what it downloads (`TORCH_HOME`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlparse

import torch
import torchvision
from torchvision.models import get_model_weights, get_weight, list_models

from labeleff.cell import OptionValue
from labeleff.errors import WeightsError
from labeleff.pretext.outside import Weights, read_state, unknown
from labeleff.tensors import Source


def load(options: Mapping[str, OptionValue], source: Source) -> Weights:
    """The tensors of the entry `weights`, checked by the hash in the file's name when they are downloaded.

    Raises WeightsError for an entry that torchvision hasn't, and where the file can't be had.
    """
    name = str(options["weights"])
    try:
        url = str(get_weight(name).url)
    except (ValueError, KeyError, AttributeError) as error:
        known = {str(entry) for model in list_models() for entry in get_model_weights(model)}
        raise unknown("weights of torchvision", name, known) from error
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if not path.exists():
        _fetch(url, path, source)
    return Weights(read_state(path), f"torchvision {torchvision.__version__}, {name}, {url}")


def _fetch(url: str, path: Path, source: Source) -> None:
    if source.offline:
        raise WeightsError(f"{path} isn't there, and --offline was given; run once without it, or put {url} there")
    prefix = path.stem.rpartition("-")[2]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=False)
    except (URLError, OSError, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise WeightsError(f"{url}: can't be fetched: {reason}; you can put the file at {path}") from error
