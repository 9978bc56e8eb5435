import csv

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save_file


def as_csv(path, features, columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, *(f"f{i}" for i in range(features.shape[1]))])
        writer.writerows(zip(*columns.values(), *features.T.tolist(), strict=True))


def as_table(features, columns, fixed=True):
    flat, dim = pa.array(features.reshape(-1)), features.shape[1]
    offsets = pa.array(np.arange(len(features) + 1, dtype=np.int32) * dim)
    lists = pa.FixedSizeListArray.from_arrays(flat, dim) if fixed else pa.ListArray.from_arrays(offsets, flat)
    return pa.table({"features": lists, **{name: pa.array(values.tolist()) for name, values in columns.items()}})


def as_arrow(path, features, columns, fixed=True):
    table = as_table(features, columns, fixed)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


def as_hdf5(path, features, columns):
    with h5py.File(path, "w") as file:
        for name, values in {"features": features, **columns}.items():
            file[name] = values.astype("S") if values.dtype.kind == "U" else values


def as_npy(path, features, columns):
    np.save(path, features)
    for name, values in columns.items():
        np.save(path.with_name(f"{path.stem}.{name}.npy"), values)


def as_pt(path, features, columns):
    values = {n: v.tolist() if v.dtype.kind == "U" else torch.from_numpy(v.copy()) for n, v in columns.items()}
    torch.save({"features": torch.from_numpy(features), **values}, path)


def as_safetensors(path, features, columns):
    tensors = {n: torch.from_numpy(v.copy()) for n, v in columns.items() if v.dtype.kind != "U"}
    save_file({"features": torch.from_numpy(features).contiguous(), **tensors}, path)


WRITERS = {
    ".npy": as_npy,
    ".npz": lambda path, features, columns: np.savez_compressed(path, features=features, **columns),
    ".parquet": lambda path, f, c: pyarrow.parquet.write_table(as_table(f, c), path, row_group_size=7),
    ".arrow": as_arrow,
    ".feather": lambda path, f, c: as_arrow(path, f, c, fixed=False),
    ".h5": as_hdf5,
    ".safetensors": as_safetensors,
    ".pt": as_pt,
    ".csv": as_csv,
}


@pytest.fixture
def saved(tmp_path):
    """Write embeddings in the format of a file's ending: saved("clip.npz", features, ids=..., labels=...)."""

    def save(name, features, **columns):
        path = tmp_path / name
        WRITERS[path.suffix](path, features, columns)
        return path

    return save
