#!/usr/bin/env bash
# One would guess: lightly's MMCRLoss takes what the projection head puts out, as its docstring and example do, puts it
# on the unit sphere, as the paper does (Yerxa et al. 2023, Maximum Manifold Capacity Representations), and a falling
# loss means a better representation.
#
# What happens: nothing normalises. Embeddings ten times as long have ten times the (negative) loss, so there is no
# minimum, and one and the same vector for all images wins if it is long. The loss falls twentyfold by length while
# the paper's objective gets worse and most dimensions are lost; normalised by hand, all are used.
#
# Why it matters: a run looks better the longer it goes on, and what few labels find in its features is called MMCR.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1 lightly==1.6.0
cat >"$folder/show.py" <<'PY'
import copy
import warnings

warnings.filterwarnings("ignore")
import lightly
import torch
import torch.nn.functional as F
from lightly.loss import MMCRLoss
from lightly.models.utils import update_momentum

print("lightly", lightly.__version__, "torch", torch.__version__.partition("+")[0])
torch.manual_seed(0)
loss, many, one = MMCRLoss(), torch.randn(64, 2, 16), torch.randn(1, 1, 16).expand(64, 2, 16)
print("ten times the length, ten times the loss:", bool(torch.isclose(loss(10 * many, 10 * many), 10 * loss(many, many))))
print("one long vector for all beats 64 different ones:", bool(loss(1000 * one, 1000 * one) < loss(many, many)))


def unit(embeddings):
    return F.normalize(embeddings, dim=-1)


def train(sphere):
    """Loss, the loss on the sphere and effective rank, before and after 300 steps on two noisy views."""
    torch.manual_seed(1)
    parts = torch.nn.Linear(20, 64), torch.nn.BatchNorm1d(64), torch.nn.ReLU(), torch.nn.Linear(64, 16)
    network = torch.nn.Sequential(*parts)
    teacher, inputs = copy.deepcopy(network), torch.randn(256, 20)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    seen = []
    for _ in range(301):
        update_momentum(network, teacher, 0.99)
        views = [inputs + 0.3 * torch.randn_like(inputs) for _ in range(2)]
        online = torch.stack([network(view) for view in views], 1)
        target = torch.stack([teacher(view) for view in views], 1).detach()
        value = loss(unit(online), unit(target)) if sphere else loss(online, target)
        shares = torch.linalg.svdvals(unit(network(inputs).detach())).square()
        shares /= shares.sum()
        rank = torch.exp(-(shares * shares.clamp_min(1e-30).log()).sum())
        seen.append((float(value), float(loss(unit(online), unit(target))), float(rank)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return seen[0], seen[-1]


for sphere in (False, True):
    (before, fair_before, rank_before), (after, fair_after, rank_after) = train(sphere)
    print("normalised by hand:" if sphere else "as the example has it:")
    print("  the loss falls more than tenfold:", after < 10 * before)
    print("  the loss on the sphere gets", "better" if fair_after < fair_before else "worse")
    print("  effective rank, of 16:", "over 15" if rank_after > 15 else "under 5" if rank_after < 5 else "between")
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
lightly 1.6.0 torch 2.14.1
ten times the length, ten times the loss: True
one long vector for all beats 64 different ones: True
as the example has it:
  the loss falls more than tenfold: True
  the loss on the sphere gets worse
  effective rank, of 16: under 5
normalised by hand:
  the loss falls more than tenfold: False
  the loss on the sphere gets better
  effective rank, of 16: over 15
TXT
echo "as found: lightly's MMCR loss falls by length"
