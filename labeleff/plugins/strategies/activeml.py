"""Strategies of scikit-activeml that need a classifier at most, asked for all labels of a rung at once.

Some of its strategies choose others one by one than in a batch, so a batch is what is measured. Its query objects copy
a random state and never advance it, so each gets an integer of its own. Some (Clue, DropQuery) don't hand it on to the
k-means inside them, which draws from numpy's global state, so that is seeded for the time of a choice.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import skactiveml.pool
import torch
from skactiveml.base import SingleAnnotatorPoolQueryStrategy, SkactivemlClassifier
from torch import Tensor

from labeleff.errors import OptionError
from labeleff.plugins.strategies.interface import Pool

MISSING = np.nan
"""Label of an example without one: given to strategies and classifiers alike, else it would be a class."""
MODELS = ("clf", "estimator")
"""Names of arguments that take a classifier."""
LARGEST_SEED = 2**31
REHEARSED = 24
"""Made examples on which a strategy is tried before anything is trained."""


class Head(SkactivemlClassifier):  # type: ignore[misc]
    """The measured model's last layer as a classifier that is fitted already."""

    def __init__(self, pool: Pool, classes: list[int] | None = None, missing_label: float = MISSING) -> None:
        super().__init__(classes=classes, missing_label=missing_label)
        self.pool = pool
        self.classes_ = np.array(classes)
        self.n_features_in_ = int(pool.features.shape[1])

    def __deepcopy__(self, _: dict[int, Any]) -> Head:
        return self

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Head:  # noqa: ARG002  as the library calls it
        """Refuse: the model is the one that the rung below trained."""
        raise OptionError("it fits a classifier of its own, expected a strategy that asks a fitted one")

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Compute probabilities (B, C) of features (B, d)."""
        features = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)).to(self.pool.features.device)
        with torch.inference_mode():
            probabilities: np.ndarray = self.pool.head(features).double().cpu().numpy()
        return probabilities

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Give the most probable class of features (B, d): (B,)."""
        places: np.ndarray = self.classes_[self.predict_proba(X).argmax(1)]
        return places


def library() -> str:
    """Name and version of the library, for records."""
    return f"scikit-activeml {importlib.metadata.version('scikit-activeml')}"


def _class(name: str) -> Any:
    """The strategy's class; raises OptionError for another name and for one that needs more than a classifier."""
    found: Any = getattr(skactiveml.pool, name, None)
    known = inspect.isclass(found) and issubclass(found, SingleAnnotatorPoolQueryStrategy)
    if not known:
        raise OptionError(f"selection 'scikit-activeml:{name}': no strategy of skactiveml.pool has this name")
    needed = _required(found.query) - {"X", "y", *MODELS} | _required(found.__init__) - {"classes"}
    if needed:
        needs = ", ".join(sorted(needed))
        raise OptionError(
            f"selection 'scikit-activeml:{name}' needs {needs}; expected one that needs at most a classifier"
        )
    return found


def _required(function: Any) -> set[str]:
    """Names of the arguments without a default."""
    given = list(inspect.signature(function).parameters.values())[1:]
    return {one.name for one in given if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD}


def check(name: str) -> None:
    """Try a strategy on made examples; raises OptionError where it has another name, needs more, or fails."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(REHEARSED, 2)).astype(np.float32))
    labelled, classes = torch.arange(4), torch.arange(4) % 2
    head = torch.nn.Softmax(1)
    pool = Pool(features, head(features), labelled, classes, head, 0)
    _class(name)
    try:
        choose(pool, 3, strategy=name)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise OptionError(
            f"selection 'scikit-activeml:{name}' can't be used: on made examples it ended with {type(error).__name__}: "
            f"{reason}"
        ) from error


@contextlib.contextmanager
def _global_state(seed: int) -> Iterator[None]:
    """Seed numpy's global state, and put it back as it was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def choose(pool: Pool, count: int, *, strategy: str) -> Tensor:
    """Choose candidates by the strategy of this name: int64 (count,)."""
    kind = _class(strategy)
    classes = list(range(pool.probabilities.shape[1]))
    options: dict[str, Any] = {"missing_label": MISSING, "random_state": pool.seed % LARGEST_SEED}
    options |= {"classes": classes, "n_classes": len(classes)}
    accepted = inspect.signature(kind.__init__).parameters
    query = kind(**{key: value for key, value in options.items() if key in accepted})
    labels = np.full(len(pool.features), MISSING)
    labels[pool.labelled.cpu().numpy()] = pool.classes.cpu().numpy()
    takes = inspect.signature(query.query).parameters
    models: dict[str, Any] = {name: Head(pool, classes) for name in MODELS if name in takes}
    models |= {f"fit_{name}": False for name in models if f"fit_{name}" in takes}
    with warnings.catch_warnings(), _global_state(pool.seed % LARGEST_SEED):
        warnings.simplefilter("ignore")  # on the library's own future
        chosen = query.query(
            X=pool.features.double().cpu().numpy(),
            y=labels,
            candidates=pool.candidates.cpu().numpy(),  # positions: a mask would be read as examples 0 and 1
            batch_size=count,
            **models,
        )
    return torch.from_numpy(np.asarray(chosen, dtype=np.int64))
