"""Embeddings read from any of the formats, by the file's ending."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from labeleff.errors import DataError, UnknownNameError
from labeleff.plugins.tasks.embedding_files.arrow_formats import read_arrow, read_parquet
from labeleff.plugins.tasks.embedding_files.columns import Columns, Embeddings, assemble, reading
from labeleff.plugins.tasks.embedding_files.item_files import MANIFEST, read_folder, read_manifest
from labeleff.plugins.tasks.embedding_files.numpy_formats import read_npy, read_npz
from labeleff.plugins.tasks.embedding_files.tensor_formats import read_hdf5, read_pt, read_safetensors
from labeleff.plugins.tasks.embedding_files.text_format import read_csv

FORMATS: Mapping[str, tuple[str, Callable[[Path], Columns]]] = {
    ".npy": ("an array of numpy", read_npy),
    ".npz": ("arrays of numpy", read_npz),
    ".parquet": ("Parquet", read_parquet),
    ".arrow": ("Arrow", read_arrow),
    ".feather": ("Arrow (Feather 2)", read_arrow),
    ".h5": ("HDF5", read_hdf5),
    ".hdf5": ("HDF5", read_hdf5),
    ".safetensors": ("safetensors", read_safetensors),
    ".pt": ("tensors of torch", read_pt),
    ".pth": ("tensors of torch", read_pt),
    ".csv": ("CSV in UTF-8", read_csv),
    ".tsv": ("CSV in UTF-8", read_csv),
}
"""Formats by the ending of the file: words, and the function that finds the columns."""


def read_embeddings(path: Path, array: str | None = None) -> Embeddings:
    """Read a file of embeddings, or a folder with one file per item; nothing is unpickled.

    `array` names the array or column of the embeddings where it can't be guessed. Raises DataError where the file is
    missing, damaged or not what it should be, naming file, array or column, row, what was found and expected;
    OptionError where the package that reads the format isn't installed.
    """
    path = path.expanduser()
    if path.is_dir():
        with reading(path, "a folder with one file per item"):
            return assemble(path, read_folder(path), array)
    form, read = FORMATS.get(path.suffix.lower(), (None, None))
    if form is None or read is None:
        raise DataError(f"{path}: {UnknownNameError('ending', path.suffix, FORMATS)}")
    with reading(path, f"{form} ({path.suffix})"):
        if path.name.lower().endswith(MANIFEST):
            read = read_manifest
        return assemble(path, read(path), array)
