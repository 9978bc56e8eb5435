#!/usr/bin/env bash
# One would guess: cleanlab's generate_noisy_labels(labels, noise_matrix) makes noise of the rates in the matrix, as
# "exactly" in its docstring promises: 20 % between ten classes is about 20 % wrong labels.
#
# What happens: the number of flips from one class to another is cut to a whole number, not rounded as the docstring's
# own formula has it. As long as each is under 1 nothing is flipped: ten classes at 20 % stay clean up to 440 labels,
# have 20 % at 450 and 10 % at 890; a hundred classes stay clean up to 49,400.
#
# Why it matters: robustness to noise against the number of labels is measured with noise that grows with the number of
# labels. Where labels are few every method looks robust, as its labels are clean.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q cleanlab==2.9.0 numpy==2.4.6
cat >"$folder/show.py" <<'PY'
import cleanlab
import numpy as np
from cleanlab.benchmarking.noise_generation import generate_noisy_labels

print("cleanlab", cleanlab.__version__, "numpy", np.__version__)


def flipped(classes, per_class, rate):
    """Percentage of labels that noise of `rate` between all classes changes."""
    clean = np.repeat(np.arange(classes), per_class)
    matrix = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    np.random.seed(0)
    return 100 * float((generate_noisy_labels(clean, matrix) != clean).mean())


for classes, sizes in ((10, (100, 250, 440, 450, 890, 1000, 5000)), (100, (1000, 10000, 49400, 49500))):
    for size in sizes:
        print(f"{classes} classes, {size:,} labels, 20 % asked for: {flipped(classes, size // classes, 0.2):.1f} %")
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
cleanlab 2.9.0 numpy 2.4.6
10 classes, 100 labels, 20 % asked for: 0.0 %
10 classes, 250 labels, 20 % asked for: 0.0 %
10 classes, 440 labels, 20 % asked for: 0.0 %
10 classes, 450 labels, 20 % asked for: 20.0 %
10 classes, 890 labels, 20 % asked for: 10.1 %
10 classes, 1,000 labels, 20 % asked for: 18.0 %
10 classes, 5,000 labels, 20 % asked for: 19.8 %
100 classes, 1,000 labels, 20 % asked for: 0.0 %
100 classes, 10,000 labels, 20 % asked for: 0.0 %
100 classes, 49,400 labels, 20 % asked for: 0.0 %
100 classes, 49,500 labels, 20 % asked for: 20.0 %
TXT
echo "as found: cleanlab's noise vanishes where labels are few"
