#!/usr/bin/env bash
# One would guess: lightly's SwaVPrototypes, after normalize(), give the cosine of unit features and prototypes, as SwAV
# (Caron et al. 2020, section 3.1) has them: in [-1, 1], and the larger one for the nearer prototype.
#
# What happens: the layer has a bias, which normalize() leaves as it is and training moves. Outputs leave [-1, 1], and a
# batch is assigned to other prototypes than by cosines; a bias can take the whole batch. The reference code has none.
#
# Why it matters: at SwAV's temperature of 0.1 a bias of 0.1 changes a logit by 1. A SwAV trained through lightly is
# another method than the paper's, so its labels saved aren't SwAV's, and a comparison of pretexts doesn't say so.
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
from lightly.models.modules import SwaVPrototypes

print("lightly", lightly.__version__, "torch", torch.__version__.partition("+")[0])
torch.manual_seed(0)
prototypes = SwaVPrototypes(16, 8)
features = F.normalize(torch.randn(2000, 16), dim=1)
layer = prototypes.heads[0]
optimizer = torch.optim.SGD(prototypes.parameters(), lr=0.1)
targets = torch.zeros(2000, dtype=torch.int64)
for _ in range(30):  # a task that asks for the first prototype, whatever the features
    optimizer.zero_grad()
    F.cross_entropy(prototypes(features) / 0.1, targets).backward()
    optimizer.step()
    prototypes.normalize()
outputs, cosines = prototypes(features).detach(), (features @ layer.weight.T).detach()
lengths = layer.weight.norm(dim=1)
print("prototypes have length 1:", bool(torch.allclose(lengths, torch.ones(8), atol=1e-5)))
print("a bias is learned:", layer.bias is not None and layer.bias.requires_grad)
beyond = float((outputs.abs() > 1).float().mean())
print("outputs beyond [-1, 1]:", "some" if beyond > 0.01 else "none")
other = float((outputs.argmax(1) != cosines.argmax(1)).float().mean())
print("features whose largest output isn't their nearest prototype:", "most" if other > 0.5 else "few")
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
lightly 1.6.0 torch 2.14.1
prototypes have length 1: True
a bias is learned: True
outputs beyond [-1, 1]: some
features whose largest output isn't their nearest prototype: most
TXT
echo "as found: the outputs of lightly's SwAV prototypes aren't cosines"
