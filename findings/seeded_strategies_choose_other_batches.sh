#!/usr/bin/env bash
# One would guess: Clue(random_state=0) and DropQuery(random_state=0) of scikit-activeml choose the same examples each
# time, as TypiClust, ProbCover, CoreSet, Badge and Falcun do.
#
# What happens: the k-means inside them is not given the seed and draws from numpy's global state, so calls choose
# other batches. cluster_algo_dict={"random_state": 0} makes them repeat.
#
# Why it matters: paired seeds don't pair, a study that is resumed goes on with other labels than it would have had, and
# the spread between such calls is as large as what strategies differ by.
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
from sklearn.linear_model import LogisticRegression
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import Badge, Clue, CoreSet, DropQuery, Falcun, TypiClust

print("scikit-activeml", skactiveml.__version__, "scikit-learn", sklearn.__version__)
digits, answers = load_digits(return_X_y=True)
digits /= 16
known = np.full(len(digits), np.nan)
start = np.random.default_rng(0).choice(len(digits), 40, replace=False)
known[start] = answers[start]
model = SklearnClassifier(LogisticRegression(max_iter=1000), classes=range(10), random_state=0)
strategies = {
    CoreSet: {}, TypiClust: {}, Badge: {"clf": model}, Falcun: {"clf": model}, Clue: {"estimator": model},
    DropQuery: {"clf": model},
}


def repeats(strategy, options, **more):
    batches = {
        tuple(map(int, strategy(random_state=0, **more).query(digits, known, batch_size=20, **options)))
        for _ in range(5)
    }
    return "one batch" if len(batches) == 1 else "several batches"


for strategy, options in strategies.items():
    print(f"{strategy.__name__}, random_state=0, five calls:", repeats(strategy, options))
for strategy in (Clue, DropQuery):
    fixed = repeats(strategy, strategies[strategy], cluster_algo_dict={"random_state": 0})
    print(f"{strategy.__name__}, seed for its k-means too:", fixed)
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
scikit-activeml 1.0.1 scikit-learn 1.9.1
CoreSet, random_state=0, five calls: one batch
TypiClust, random_state=0, five calls: one batch
Badge, random_state=0, five calls: one batch
Falcun, random_state=0, five calls: one batch
Clue, random_state=0, five calls: several batches
DropQuery, random_state=0, five calls: several batches
Clue, seed for its k-means too: one batch
DropQuery, seed for its k-means too: one batch
TXT
echo "as found: Clue and DropQuery don't hand their seed on"
