#!/usr/bin/env bash
# One would guess: torch.sqrt on a CPU is rounded as IEEE 754 says, as the processor's instruction and numpy do it, so
# images that are made by basic operations and square roots are the same everywhere, and so are their hashes.
#
# What happens: torch hands sqrt and rsqrt of float32 to MKL's vector library, which picks code by processor. On the path
# that all processors have in common many roots differ from the rounded ones by the last bit; an Intel processor with
# AVX-512 differs in one of 160, and in others. numpy's roots are exact.
#
# Why it matters: whoever hashes generated or preprocessed images, to be sure that runs saw the same data, finds other
# hashes on another maker's processor, and shards of one study that were measured on both can't be put together.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.4.6
cat >"$folder/show.py" <<'PY'
import sys

import numpy as np
import torch

numbers = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0))
exact = numbers.double().sqrt().float()
assert torch.equal(torch.from_numpy(np.sqrt(numbers.numpy())), exact)
np.save(sys.argv[1], torch.sqrt(numbers).numpy())
np.save(sys.argv[2], exact.numpy())
PY
for path in usual compatible; do
    mode=(); [ "$path" = usual ] || mode=(MKL_CBWR=COMPATIBLE)
    env "${mode[@]}" "$folder/venv/bin/python" "$folder/show.py" "$folder/$path.npy" "$folder/exact.npy"
done
cat >"$folder/compare.py" <<'PY'
import sys

import numpy as np
import torch

usual, compatible, exact = map(np.load, sys.argv[1:])
differing = (usual != exact).sum(), (compatible != exact).sum()
print("on this processor's own path,", f"{differing[0]:,} of a million roots differ from the rounded ones", file=sys.stderr)
print("torch", torch.__version__.partition("+")[0], "numpy", np.__version__)
print("numpy's square roots of a million float32 numbers are those of float64, rounded: True")
print("torch's, on the path that all processors have, are too:", differing[1] == 0)
PY
"$folder/venv/bin/python" "$folder/compare.py" "$folder"/{usual,compatible,exact}.npy | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
torch 2.14.1 numpy 2.4.6
numpy's square roots of a million float32 numbers are those of float64, rounded: True
torch's, on the path that all processors have, are too: False
TXT
echo "as found: torch's square roots aren't those of IEEE 754"
