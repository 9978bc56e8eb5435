#!/usr/bin/env bash
# scikit-learn's LogisticRegression on float32 features ends before its tolerance, whatever it is, and says nothing.
#
# One would guess: without a ConvergenceWarning and far below max_iter the fit has reached `tol`, so a smaller `tol`
# gives a more exact probe, and features in float32 cost some digits of the coefficients at most.
# What happens: with the solver lbfgs on features of unequal variances the float32 fit ends when float32 can't lower the
# objective any more. Its gradient is then over the default tolerance of 1e-4, and tolerances of 1e-4, 1e-6 and 1e-8 give
# the same coefficients after the same number of iterations, without a warning. In float64 1e-4 and 1e-6 are kept, and
# 1e-8 is missed as silently.
# Why it matters: embeddings come in float32 or less, linear probes on them are compared at differences of a tenth of a
# point, and timings of solvers "at equal tolerance" compare a fit that stopped early with one that didn't.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "scikit-learn==1.9.1" "numpy==2.4.6" "scipy==1.17.1"
cat > "$folder/show.py" <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from sklearn.linear_model import LogisticRegression

COUNT, DIM, CLASSES, C = 2000, 64, 5, 100.0
TOLERANCES = (1e-4, 1e-6, 1e-8)
print("scikit-learn", version("scikit-learn"), "numpy", version("numpy"), "scipy", version("scipy"))
rng = np.random.default_rng(0)
features = rng.normal(size=(COUNT, DIM)) / np.arange(1, DIM + 1) * 30
labels = (features / 30 @ rng.normal(size=(DIM, CLASSES)) + 0.3 * rng.gumbel(size=(COUNT, CLASSES))).argmax(1)


def gradient(model):
    """Largest entry, in float64, of the gradient of the mean loss with its penalty."""
    weights, constants = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    scores = features @ weights.T + constants
    shares = np.exp(scores - scores.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    shares[np.arange(COUNT), labels] -= 1
    return max(np.abs(shares.T @ features / COUNT + weights / (C * COUNT)).max(), np.abs(shares.mean(0)).max())


found = {}
for kind in (np.float64, np.float32):
    for tol in TOLERANCES:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model = LogisticRegression(C=C, tol=tol, max_iter=100_000).fit(features.astype(kind), labels)
        found[kind, tol] = model
        print(
            f"{kind.__name__}, tol {tol:g}: {model.n_iter_[0]} iterations, largest gradient {gradient(model):.1e}, "
            f"{len(said)} warnings"
        )
        assert not said
        assert model.n_iter_[0] < 10_000
first = found[np.float32, TOLERANCES[0]]
assert all(np.array_equal(found[np.float32, tol].coef_, first.coef_) for tol in TOLERANCES)
assert gradient(first) > TOLERANCES[0]
assert gradient(found[np.float64, 1e-4]) < 1e-4
assert gradient(found[np.float64, 1e-6]) < 1e-6
assert gradient(first) > 100 * gradient(found[np.float64, 1e-6])
PY
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/show.py"
