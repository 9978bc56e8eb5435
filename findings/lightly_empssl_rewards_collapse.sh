#!/usr/bin/env bash
# One would guess: lightly's EMPSSLLoss is smallest where views of an image agree and images differ, as in EMP-SSL (Tong
# et al. 2023, section 2), which maximises the coding rate of all embeddings.
#
# What happens: lightly 1.6.0 adds the coding rate to the loss where the method subtracts it, so that minimising the
# loss minimises the rate: all images in one point is its best answer, and training goes there.
#
# Why it matters: the loss falls smoothly and says nothing of it. The features can't tell images apart, and a comparison
# would print that this pretext saves no labels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1 lightly==1.6.0
cat >"$folder/show.py" <<'PY'
import warnings

warnings.filterwarnings("ignore")
import lightly
import torch
import torch.nn.functional as F
from lightly.loss import EMPSSLLoss
from lightly.loss.emp_ssl_loss import invariance_loss, tcr_loss

print("lightly", lightly.__version__, "torch", torch.__version__.partition("+")[0])
loss = EMPSSLLoss()
different = torch.eye(16)
collapsed = different[:1].repeat(16, 1)
better = "collapsed" if loss([collapsed] * 2) < loss([different] * 2) else "different"
print("smaller loss of two views that agree:", better)


def other_sign(views):
    stacked = torch.stack(views)
    return 200 * invariance_loss(stacked) - tcr_loss(stacked, eps=0.2)


def effective_rank(objective):
    """After 300 steps of four noisy views of 256 inputs, of 16 dimensions."""
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 16))
    inputs, optimizer = torch.randn(256, 20), torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(300):
        views = [F.normalize(network(inputs + 0.1 * torch.randn_like(inputs)), dim=1) for _ in range(4)]
        optimizer.zero_grad()
        objective(views).backward()
        optimizer.step()
    shares = torch.linalg.svdvals(F.normalize(network(inputs).detach(), dim=1)).square()
    shares /= shares.sum()
    return float(torch.exp(-(shares * shares.clamp_min(1e-30).log()).sum()))


print("effective rank after training, of 16:", "one" if effective_rank(loss) < 1.05 else "more than one")
print("the same with the rate subtracted:", "over five" if effective_rank(other_sign) > 5 else "five at most")
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
lightly 1.6.0 torch 2.14.1
smaller loss of two views that agree: collapsed
effective rank after training, of 16: one
the same with the rate subtracted: over five
TXT
echo "as found: lightly's EMP-SSL loss is smallest for a collapse"
