"""Weights of timm's models, by model and tag: `resnet18.a1_in1k`; from the Hugging Face hub, where timm keeps them.

They are looked for, and kept, where the hub's client keeps what it downloads (`HF_HOME`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import huggingface_hub
import timm
from huggingface_hub.errors import HfHubHTTPError

from labeleff.cell import OptionValue
from labeleff.errors import WeightsError
from labeleff.pretext.outside import Weights, read_state, unknown
from labeleff.tensors import Source

FILE = "model.safetensors"


def load(options: Mapping[str, OptionValue], source: Source) -> Weights:
    """The tensors of the pretrained `model`; a name without a tag stands for timm's first one.

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
        hint = "it isn't in the cache and --offline was given; run once without it" if source.offline else str(error)
        raise WeightsError(f"{file} of https://huggingface.co/{entry.hf_hub_id} can't be had: {hint}") from error
    full = f"{entry.architecture}.{entry.tag}" if entry.tag else entry.architecture
    where = f"https://huggingface.co/{entry.hf_hub_id}, revision {path.parent.name}"
    return Weights(read_state(path), f"timm {timm.__version__}, {full}, {where}")
