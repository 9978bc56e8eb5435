"""Embeddings in HDF5, safetensors and torch's `.pt`, mapped from the disk where the format allows."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, optional
from labeleff.plugins.tasks.embedding_files.columns import Columns, check_numbers
from labeleff.plugins.tasks.sources.arrays import Array, Streamed

ROWS = 8192
"""Rows that are read at once."""


def read_hdf5(path: Path, group: str = "") -> Columns:
    """Find the datasets at the top of an HDF5 file, or in a group of it, named GROUP/NAME.

    Those in one piece are mapped, others read block by block.
    """
    h5py = optional("h5py", "HDF5 files need", "hdf5")
    columns: dict[str, Array | Streamed] = {}
    with h5py.File(path, "r") as file:
        place = file.get(group) if group else file
        for name, dataset in place.items() if isinstance(place, h5py.Group) else ():
            if isinstance(dataset, h5py.Dataset):
                whole = f"{group}/{name}" if group else name
                columns[whole] = _dataset(path, whole, dataset, h5py.check_string_dtype(dataset.dtype) is not None)
        if not columns:
            where = f"in the group {group!r}" if group else "at the top of the file"
            raise DataError(f"{path}: found no dataset {where}, expected {_expected(path, file, h5py)}")
    return columns


def _expected(path: Path, file: Any, h5py: Any) -> str:
    """Say which datasets an HDF5 file has in its groups."""
    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(f"{name!r} {item.dtype} {item.shape}")

    file.visititems(visit)
    if not found:
        return "'features'"
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""
    return f"one of its datasets, as in '{path.name}:GROUP/NAME': {', '.join(found[:8])}{more}"


def _dataset(path: Path, name: str, dataset: Any, texts: bool) -> Array | Streamed:
    """Read one dataset: texts and single values whole, numbers by rows."""
    if texts:
        return np.array(dataset.asstr()[...].tolist(), dtype=np.str_)
    if dataset.dtype.kind not in "fiu" or not dataset.shape:
        return np.asarray(dataset[...])
    offset, size = dataset.id.get_offset(), dataset.dtype.itemsize * dataset.size
    if offset is not None and size and not dataset.external and not dataset.compression:
        return np.memmap(path, dataset.dtype, "r", offset, dataset.shape)
    shape, dtype = tuple(dataset.shape), dataset.dtype.type
    return Streamed(shape, dtype, lambda: _hdf5_blocks(path, name, shape[0]))


def _hdf5_blocks(path: Path, name: str, rows: int) -> Iterator[NDArray[Any]]:
    import h5py

    with h5py.File(path, "r") as file:
        for start in range(0, rows, ROWS):
            yield file[name][start : start + ROWS]


def read_safetensors(path: Path) -> Columns:
    """Map the tensors of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:  # its numpy half knows no bfloat16, and doesn't map
            return {name: _column(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  not a mapping
    except SafetensorError as error:
        raise DataError(f"{path}: can't be read: found {error}; expected a safetensors file") from error


def read_pt(path: Path) -> Columns:
    """Map a tensor, or a dictionary of tensors and lists of ids, that torch has saved; no other object is read."""
    import torch

    try:
        with path.open("rb") as file:
            mapped = file.read(2) == b"PK"  # files of torch before 1.6 can't be mapped
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        expected = "a tensor, or a dictionary of tensors and lists, as torch.save(x, path) writes"
        raise DataError(
            f"{path}: found other Python objects or no file of torch, and nothing else is unpickled; "
            f"expected {expected}"
        ) from error
    if isinstance(loaded, torch.Tensor):
        loaded = {"features": loaded}
    if not isinstance(loaded, Mapping):
        raise DataError(f"{path}: found a {type(loaded).__name__}, expected a tensor or a dictionary of tensors")
    return {str(name): _value(path, str(name), value) for name, value in loaded.items()}


def _value(path: Path, name: str, value: Any) -> Array | Streamed:
    import torch

    if isinstance(value, torch.Tensor):
        return _column(value)
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return np.array(value, dtype=np.str_)
    if isinstance(value, list | tuple) and all(isinstance(one, int) for one in value):
        return np.array(value)
    raise DataError(
        f"{path}, {name!r}: found a {type(value).__name__}, expected a tensor or a list of texts or numbers"
    )


def _column(tensor: Any) -> Array | Streamed:
    """View a tensor as a numpy array; bfloat16, which numpy lacks, becomes float32 block by block."""
    import torch

    tensor = tensor.detach()
    if tensor.dtype is not torch.bfloat16:
        array: Array = tensor.resolve_conj().resolve_neg().numpy()
        return array
    blocks = (lambda: (part.float().numpy() for part in tensor.split(ROWS))) if tensor.ndim else (lambda: iter(()))
    return Streamed(tuple(tensor.shape), np.float32, blocks)


def check_vector(where: str, array: Array) -> Array:
    """Return an item's embedding (dim,), which may come as (1, dim); raises DataError for other shapes and types."""
    check_numbers(where, array.dtype)
    vector = array[0] if array.ndim == 2 and len(array) == 1 else array
    if vector.ndim != 1 or not len(vector):
        raise DataError(f"{where}: found shape {array.shape}, expected the embedding of one item (dim,)")
    return vector
