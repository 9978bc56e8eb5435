#!/usr/bin/env bash
# One would guess: five calls of datasets' train_test_split with one NumPy generator give five different draws of the
# labels, and a script whose generator has a fixed seed gives the same five draws each time it runs.
#
# What happens: a split of a data set on disk is cached under the state of the generator, and a split that is found in
# the cache doesn't draw from it. The first run has five draws. In the second, the first call finds its split, the
# generator stays where it is, and so all five draws are the first one. What else uses the generator changes, too.
#
# Why it matters: a study that is started again measures one draw five times. Its spread over label draws falls to that
# of the seeds, or to zero, and nothing is said. (shuffle draws before it looks; train_test_split doesn't.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q datasets==5.2.0 numpy==2.4.6 pyarrow==26.0.1
cat >"$folder/make.py" <<'PY'
import sys

import datasets
import numpy as np

print("datasets", datasets.__version__, "numpy", np.__version__)
datasets.Dataset.from_dict({"number": list(range(1000))}).save_to_disk(sys.argv[1])
PY
cat >"$folder/study.py" <<'PY'
import sys

import datasets
import numpy as np

datasets.disable_progress_bars()
data = datasets.load_from_disk(sys.argv[1])
for name in ("train_test_split", "shuffle"):
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(5):
        if name == "shuffle":
            draw = data.shuffle(generator=generator).select(range(50))
        else:
            draw = data.train_test_split(train_size=50, generator=generator)["train"]
        draws.append(tuple(draw["number"]))
    means = ", ".join(f"{np.mean(draw):.1f}" for draw in draws)
    print(f"{name}: {len(set(draws))} different draws of 50 labels, their means {means}; then {generator.random():.3f}")
PY
export HF_HOME="$folder/home" HF_HUB_OFFLINE=1
{
    "$folder/venv/bin/python" "$folder/make.py" "$folder/data" 2>"$folder/progress"
    for run in first second; do
        echo "$run run"
        "$folder/venv/bin/python" "$folder/study.py" "$folder/data"
    done
} | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
datasets 5.2.0 numpy 2.4.6
first run
train_test_split: 5 different draws of 50 labels, their means 548.9, 479.1, 489.4, 569.1, 369.4; then 0.766
shuffle: 5 different draws of 50 labels, their means 474.9, 533.3, 467.0, 508.4, 460.8; then 0.766
second run
train_test_split: 1 different draws of 50 labels, their means 548.9, 548.9, 548.9, 548.9, 548.9; then 0.637
shuffle: 5 different draws of 50 labels, their means 474.9, 533.3, 467.0, 508.4, 460.8; then 0.766
TXT
echo "as found: a split that is found in the cache doesn't draw from the generator"
