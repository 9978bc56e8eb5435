"""Cache of pretrained encoders: one safetensors file per key, with its record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from labeleff.errors import DataError, UnwritableError
from labeleff.files import write_whole
from labeleff.records.entries import PretrainingRecord

if TYPE_CHECKING:
    from torch import Tensor, nn


def state_sha256(module: nn.Module) -> str:
    """Compute SHA-256 over names, shapes and bytes of all weights and buffers, batch-norm statistics included."""
    return sha256_of(module.state_dict())


def sha256_of(weights: Mapping[str, Tensor]) -> str:
    """Compute SHA-256 over names, shapes and bytes of weights and buffers by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class EncoderCache:
    """A cache of encoders in `folder/encoders`; files are written whole or not at all, and processes share them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "encoders"

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def unfinished(self, key: str) -> Path:
        """Path of the checkpoint of an encoder's pretraining, until the encoder is stored."""
        return self._folder.with_name("unfinished") / f"{key}.pt"

    def save(self, key: str, encoder: nn.Module, record: PretrainingRecord) -> None:
        """Store an encoder with its record; raises UnwritableError where the folder can't be written."""
        self.save_weights(key, encoder.state_dict(), record)
        self.unfinished(key).unlink(missing_ok=True)

    def note(self, key: str, record: PretrainingRecord) -> None:
        """Replace the record of a cached encoder, whose weights stay; raises UnwritableError as `save` does."""
        with safe_open(self._path(key), "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        self.save_weights(key, state, record)

    def save_weights(self, key: str, weights: Mapping[str, Tensor], record: PretrainingRecord) -> None:
        """Store an encoder's weights and buffers by name, with its record; raises UnwritableError as `save` does."""
        from safetensors.torch import save  # imports torch, which a look at records needs not

        state = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        self.put(key, save(state, metadata={"record": record.model_dump_json()}))

    def put(self, key: str, content: bytes) -> None:
        """Store the bytes of an encoder's file; raises UnwritableError as `save` does."""
        try:
            write_whole(self._path(key), content)
        except OSError as error:
            raise UnwritableError(
                f"{self._path(key)}: the pretrained encoder can't be stored: {error}; "
                "make room or point LABELEFF_CACHE at another folder"
            ) from error

    def record(self, key: str) -> PretrainingRecord | None:
        """Read the record of a cached encoder; None where it is missing or its file is damaged."""
        try:
            with safe_open(self._path(key), "np") as file:
                return PretrainingRecord.model_validate_json(file.metadata()["record"])
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError, TypeError, ValidationError):
            return None

    def content(self, key: str) -> bytes | None:
        """Read the bytes of a cached encoder's file, e.g. for another machine; None where it is missing or damaged."""
        return self._path(key).read_bytes() if self.record(key) is not None else None

    def load(self, key: str, encoder: nn.Module) -> None:
        """Fill `encoder` with the cached weights; every name and shape must match.

        Raises DataError where they can't be read, or aren't those of the record: such a file is removed.
        """
        path, again = self._path(key), "run the same command with --retry-failed to make the encoder again"
        try:
            with safe_open(path, "pt") as file:
                expected = PretrainingRecord.model_validate_json(file.metadata()["record"]).encoder_sha256
                encoder.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path}: the pretrained encoder can't be read: {error}; {again}") from error
        if expected not in {None, found := state_sha256(encoder)}:
            path.unlink(missing_ok=True)
            raise DataError(
                f"{path}: found weights of SHA-256 {found}, expected {expected}; the file was damaged and is removed, "
                f"{again}"
            )
