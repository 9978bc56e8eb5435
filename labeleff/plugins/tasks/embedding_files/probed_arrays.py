"""Arrays given to `labeleff.probe`: whatever holds them, checked together before any is written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import OptionError, reason
from labeleff.plugins.tasks.embedding_files.columns import check_numbers
from labeleff.plugins.tasks.embedding_files.label_file import Labels
from labeleff.plugins.tasks.embedding_files.targets import read_targets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array = NDArray[Any]
TEST = "a number of items, a share of them, a boolean mask (N,), or features and labels of other items"
PLAIN: tuple[tuple[type | tuple[type, ...], type], ...] = (
    (str, np.str_),
    ((bool, np.bool_), np.bool_),
    ((int, np.integer), np.int64),
    ((float, int, np.number), np.float64),
)
"""Python's types that an array of objects may be made of, with numpy's for all of them."""


@dataclass(frozen=True)
class ProbedArrays:
    """Features (N, dim) by encoder and labels (N,) or (N, K) of all items.

    `testing` (N,) marks the test items, where the caller says which these are; else `held_out` is their number, 0 for a
    fifth.
    """

    features: Mapping[str, Array]
    labels: Array
    testing: NDArray[np.bool_] | None
    held_out: int

    def write(self, folder: Path) -> None:
        """Write one `.npy` per encoder with labels and, where it is known, the split beside it."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, array in self.features.items():
                np.save(folder / f"{name}.npy", array, allow_pickle=False)
                np.save(folder / f"{name}.labels.npy", self.labels, allow_pickle=False)
                split = folder / f"{name}.split.npy"
                split.unlink(missing_ok=True)  # of an earlier call
                if self.testing is not None:
                    np.save(split, np.where(self.testing, "test", "train"), allow_pickle=False)
        except OSError as error:
            raise OptionError(f"{folder}: can't be written: {error.strerror or error}") from error


def probed_arrays(features: Mapping[str, ArrayLike], labels: ArrayLike, test: Any = 0) -> ProbedArrays:
    """Check the arguments of `labeleff.probe`; raises OptionError or DataError naming the one that is wrong."""
    arrays, given = _side("training", features, labels)
    testing, held_out = None, 0
    if isinstance(test, tuple) and len(test) == 2 and isinstance(test[0], Mapping):
        others, other_labels = _side("test", *test)
        if set(others) != set(arrays):
            raise OptionError(f"test: found {', '.join(others)}, expected {', '.join(arrays)}")
        testing = np.repeat([False, True], [len(given), len(other_labels)])
        arrays = {name: _under(name, array, others[name]) for name, array in arrays.items()}
        given = _under("labels", given, other_labels)
    elif isinstance(test, int | float | np.number) and not isinstance(test, bool):
        held_out = _held_out(test, len(given))
    else:
        testing = _mask(test, len(given))
    targets = read_targets(Labels("labels", given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given))
    if testing is not None and targets.kind == "classes":
        missing = np.setdiff1d(targets.values[testing], targets.values[~testing])
        if len(missing):
            named = ", ".join(targets.classes[c] for c in missing[:5])
            raise OptionError(f"test: found items of {len(missing):,} classes that no training item has: {named}")
    return ProbedArrays(arrays, given, testing, held_out)


def _side(side: str, features: Any, labels: Any) -> tuple[dict[str, Array], Array]:
    """Arrays of the training or the test items, which fit each other."""
    if not isinstance(features, Mapping):
        found = type(features).__name__
        raise OptionError(f"features: found {found}, expected arrays by encoder, as in {{'clip': x, 'dino': y}}")
    if "labels" in features or not features:
        found = ", ".join(map(str, features)) or "none"
        raise OptionError(f"features: found {found}, expected arrays by names other than labels")
    for name in features:
        if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum():
            raise OptionError(f"features: found the name {name!r}, expected one of letters, digits, - and _")
    _check_indices({**features, "labels": labels})
    arrays, given = {name: _array(name, one) for name, one in features.items()}, _array("labels", labels)
    if given.ndim not in {1, 2} or not given.size:
        raise OptionError(f"labels: found shape {given.shape}, expected one per item (N,), or truths (N, K)")
    for name, array in arrays.items():
        _check_features(name, side, array, len(given))
    return arrays, given


def _check_features(name: str, side: str, array: Array, count: int) -> None:
    check_numbers(name, array.dtype)
    if array.ndim == 0 or len(array) != count:
        found = f"{len(array) if array.ndim else 1:,} {side} rows"
        raise OptionError(f"{name}: found {found}, expected {count:,} as there are labels")
    if array.ndim != 2 or not array.shape[1]:
        raise OptionError(f"{name}: found shape {array.shape}, expected one row of numbers per item (N, dim)")
    if len(wrong := np.flatnonzero(~np.isfinite(array).all(1))):
        found = f"{len(wrong):,} {side} rows with NaN or infinite numbers, the first at {wrong[0]:,}"
        raise OptionError(f"{name}: found {found}, expected finite numbers")


def _check_indices(given: Mapping[str, Any]) -> None:
    """Raise OptionError where frames of pandas have their rows in another order: rows go by position here."""
    indexed = {name: one.index for name, one in given.items() if hasattr(one, "iloc")}
    first = next(iter(indexed), "")
    for name, index in indexed.items():
        if not index.equals(indexed[first]):
            expected = f"that of {first!r}, since row i is one item: use .loc, or .reset_index(drop=True)"
            raise OptionError(f"{name}: found another index, expected {expected}")


def _array(name: str, given: Any) -> Array:
    """Convert what holds an array to numpy's; objects become texts or numbers where all are."""
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    if torch is not None and isinstance(given, torch.Tensor):
        given = given.detach().cpu()
        given = given.float() if given.dtype is torch.bfloat16 else given
    try:
        array = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise OptionError(f"{name}: can't be made an array of one shape and type: {reason(error)}") from error
    if not array.dtype.hasobject:
        return array
    flat = array.ravel().tolist()
    truths = {isinstance(one, bool | np.bool_) for one in flat}  # Python takes them for whole numbers
    for kinds, dtype in PLAIN:
        if all(isinstance(one, kinds) for one in flat) and truths == {dtype is np.bool_}:
            return array.astype(dtype)
    if name == "labels" and (empty := [i for i, one in enumerate(flat) if one is None or one != one]):
        found = f"no label for {len(empty):,} of {len(flat):,} items, the first at {empty[0]:,}"
        raise OptionError(f"labels: found {found}; expected one each, or the items left out")
    place = next((i for i, one in enumerate(flat) if type(one) is not type(flat[0])), 0)
    known = "texts or numbers" if name == "labels" else "numbers"
    found = f"{type(flat[place]).__name__} at {place:,}" if flat else "nothing"
    raise OptionError(f"{name}: found {found}, expected {known} alone")


def _held_out(test: Any, count: int) -> int:
    """Number of items set aside, given as number or share."""
    if isinstance(test, int | np.integer) and 0 <= test < count:
        return int(test)
    if isinstance(test, float | np.floating) and 0 < test < 1:
        return min(max(1, round(float(test) * count)), count - 1)
    raise OptionError(f"test: found {test}, expected a number from 0 to {count - 1:,}, or a share over 0 and under 1")


def _mask(test: Any, count: int) -> NDArray[np.bool_]:
    """Mask of the test items; numbers in its place are refused, since they might be positions."""
    if isinstance(test, Mapping | str | bool):
        raise OptionError(f"test: found {type(test).__name__}, expected {TEST}")
    mask = _array("test", test)
    if mask.dtype != np.bool_ or mask.shape != (count,):
        raise OptionError(f"test: found an array of {mask.dtype} {mask.shape}, expected {TEST}, with N = {count:,}")
    if mask.all() or not mask.any():
        raise OptionError(f"test: found {int(mask.sum()):,} test items of {count:,}, expected some, and not all")
    return mask


def _under(name: str, training: Array, test: Array) -> Array:
    """Put test rows under training rows; raises OptionError where their width or kind differs."""
    if training.shape[1:] != test.shape[1:] or training.dtype.kind != test.dtype.kind:
        shapes = f"{training.dtype} {training.shape} and {test.dtype} {test.shape}"
        raise OptionError(f"{name}: found {shapes} for training and test, expected the same width and type")
    return np.concatenate([training, test])
