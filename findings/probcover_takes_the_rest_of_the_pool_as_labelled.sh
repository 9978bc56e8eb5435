#!/usr/bin/env bash
# One would guess: candidates (or the library's own SubSamplingWrapper) limit what scikit-activeml's ProbCover may choose.
# Covered are the neighbours of labelled examples, as its docstring and the paper have it (Yehuda et al. 2022).
#
# What happens: whatever is no candidate counts as labelled. With half of the pool as candidates and no label at all,
# nearly everything is covered before the first choice, and only outliers are left to be chosen.
#
# Why it matters: a sample of the pool is how one affords the method's distances between all pairs. On digits 20 labels
# chosen this way are worth less than 20 random ones, where the published method among the same candidates is far over
# them, so a comparison of strategies prints the opposite of what is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-activeml==1.0.1 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/show.py" <<'PY'
import numpy as np
import skactiveml
import sklearn
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier
from skactiveml.pool import ProbCover, SubSamplingWrapper

print("scikit-activeml", skactiveml.__version__, "scikit-learn", sklearn.__version__)
digits, answers = load_digits(return_X_y=True)
digits /= np.linalg.norm(digits, axis=1, keepdims=True)
RADIUS, LABELS = 0.35, 20
near = pairwise_distances(digits) <= RADIUS
unknown = np.full(len(digits), np.nan)


def published(candidates):
    """The candidate with the most uncovered neighbours, again and again."""
    uncovered, chosen = near.copy(), []
    for _ in range(LABELS):
        chosen.append(candidates[uncovered[candidates].sum(1).argmax()])
        uncovered[:, near[chosen[-1]]] = False
    return np.array(chosen)


def strategy(seed):
    return ProbCover(n_classes=10, deltas=[RADIUS - 0.05, RADIUS], alpha=0.01, random_state=seed)


scores = {}
for seed in range(5):
    some = np.random.default_rng(seed).choice(len(digits), 900, replace=False)
    half = SubSamplingWrapper(strategy(seed), max_candidates=0.5, random_state=seed)
    ways = {
        "random": np.random.default_rng(seed + 100).choice(some, LABELS, replace=False),
        "published, half of the pool": published(some),
        "ProbCover, all of the pool": strategy(seed).query(digits, unknown, batch_size=LABELS),
        "ProbCover, half of the pool": strategy(seed).query(digits, unknown, candidates=some, batch_size=LABELS),
        "ProbCover in SubSamplingWrapper": half.query(digits, unknown, batch_size=LABELS),
    }
    for name, chosen in ways.items():
        accuracy = KNeighborsClassifier(1).fit(digits[chosen], answers[chosen]).score(digits, answers)
        scores.setdefault(name, []).append((near[chosen].any(0).mean(), accuracy))
means = {name: np.mean(found, axis=0) for name, found in scores.items()}
coverage, accuracy = means["random"]
for name, (own_coverage, own_accuracy) in means.items():
    if name != "random":
        covers = "twice" if own_coverage > 2 * coverage else "half" if own_coverage < coverage / 2 else "about"
        is_better = own_accuracy > accuracy + 0.05
        worse = own_accuracy < accuracy - 0.03
        says = "better" if is_better else "worse" if worse else "about the same"
        print(f"{name}: covers {covers} of what random labels do, accuracy {says}")
_, utilities = strategy(4).query(digits, unknown, candidates=some, batch_size=1, return_utilities=True)
print("largest number of neighbours of a candidate:", near[some].sum(1).max(), "- uncovered:", int(np.nanmax(utilities)))
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
scikit-activeml 1.0.1 scikit-learn 1.9.1
published, half of the pool: covers twice of what random labels do, accuracy better
ProbCover, all of the pool: covers twice of what random labels do, accuracy better
ProbCover, half of the pool: covers half of what random labels do, accuracy worse
ProbCover in SubSamplingWrapper: covers half of what random labels do, accuracy worse
largest number of neighbours of a candidate: 107 - uncovered: 3
TXT
echo "as found: ProbCover takes what is no candidate as labelled"
