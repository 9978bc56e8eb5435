#!/usr/bin/env bash
# One would guess: with transformers' Trainer a batch of 16 in one piece and eight pieces of 2 with
# gradient_accumulation_steps=8 are the same step, for every image classifier, as with ViT.
#
# What happens: transformers 5.24.0 leaves the division by the number of pieces to any model whose forward takes
# **kwargs. Many of those ignore the count they are handed and return the mean of their piece (CLIP, SigLIP, ResNet,
# BEiT, BERT and more): their gradients and logged losses are added up, not averaged. The factor is the number of
# pieces, so 8 here, and less where the labels don't fill them: 1 at 2 labels, 2 at 4, 4 at 8.
#
# Why it matters: with SGD that is another learning rate for each number of labels, up to the point where all pieces are
# full, and another one than ViT's, so curves of accuracy against labels and backbones are compared at unequal steps.
# AdamW hides most of it, but not the clipping of gradients at the default norm of 1, nor the logged losses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 transformers==5.24.0 accelerate==1.15.0 numpy==2.4.6
cat >"$folder/show.py" <<'PY'
import contextlib
import io
import sys

import accelerate
import torch
import transformers
from transformers import CLIPConfig, CLIPForImageClassification, SiglipConfig, SiglipForImageClassification
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

print("transformers", transformers.__version__, "accelerate", accelerate.__version__, end=" ")
print("torch", torch.__version__.partition("+")[0])
SMALL = dict(image_size=32, patch_size=16, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
             intermediate_size=32)
MODELS = {
    "ViT": lambda: ViTForImageClassification(ViTConfig(num_labels=10, **SMALL)),
    "CLIP": lambda: CLIPForImageClassification(CLIPConfig(vision_config=SMALL, num_labels=10)),
    "SigLIP": lambda: SiglipForImageClassification(SiglipConfig(vision_config=SMALL, num_labels=10)),
}


def step(name, labels, batch, pieces):
    """Length of the only step of SGD on `labels` examples, and the loss that is logged for it."""
    torch.manual_seed(0)
    model = MODELS[name]()
    before = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()
    images = torch.randn(labels, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    examples = [{"pixel_values": image, "labels": number % 10} for number, image in enumerate(images)]
    arguments = TrainingArguments(
        sys.argv[1], per_device_train_batch_size=batch, gradient_accumulation_steps=pieces, num_train_epochs=1,
        optim="sgd", learning_rate=1e-3, lr_scheduler_type="constant", max_grad_norm=0, use_cpu=True, report_to="none",
        save_strategy="no", logging_steps=1, disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=examples)
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    assert trainer.state.global_step == 1
    after = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    return float((after - before).norm()), float(trainer.state.log_history[0]["loss"])


for name in MODELS:
    for labels in (2, 4, 8, 16):
        whole, accumulated = step(name, labels, labels, 1), step(name, labels, 2, 8)
        longer, larger = accumulated[0] / whole[0], accumulated[1] / whole[1]
        print(f"{name}, {labels} labels in pieces of 2: step {longer:.1f} times as long, loss {larger:.1f} times")
PY
HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/show.py" "$folder/out" | tee "$folder/printed"
diff - "$folder/printed" <<'TXT'
transformers 5.24.0 accelerate 1.15.0 torch 2.13.0
ViT, 2 labels in pieces of 2: step 1.0 times as long, loss 1.0 times
ViT, 4 labels in pieces of 2: step 1.0 times as long, loss 1.0 times
ViT, 8 labels in pieces of 2: step 1.0 times as long, loss 1.0 times
ViT, 16 labels in pieces of 2: step 1.0 times as long, loss 1.0 times
CLIP, 2 labels in pieces of 2: step 1.0 times as long, loss 1.0 times
CLIP, 4 labels in pieces of 2: step 2.0 times as long, loss 2.0 times
CLIP, 8 labels in pieces of 2: step 4.0 times as long, loss 4.0 times
CLIP, 16 labels in pieces of 2: step 8.0 times as long, loss 8.0 times
SigLIP, 2 labels in pieces of 2: step 1.0 times as long, loss 1.0 times
SigLIP, 4 labels in pieces of 2: step 2.0 times as long, loss 2.0 times
SigLIP, 8 labels in pieces of 2: step 4.0 times as long, loss 4.0 times
SigLIP, 16 labels in pieces of 2: step 8.0 times as long, loss 8.0 times
TXT
echo "as found: transformers' accumulated losses are multiplied by the number of pieces"
