"""What Keras's MobileNetV2 does otherwise than torchvision's, measured with Keras.

    python benchmarks/keras_facts.py

Run by an interpreter that has Keras 3 and torch, its backend here; without labeleff. Prints one line per fact.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
import torch.nn.functional as F

SIDE = 32


def network():
    """Make the network of the course report of 2021, without its last layer."""
    return keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), weights=None, include_top=False)


def starts(net):
    """Largest weights against Glorot's limits: inputs and outputs of all positions, one output where depthwise."""
    worst = 0.0
    for layer in net.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            kernel = keras.ops.convert_to_numpy(layer.weights[0])
            positions, inside, outside = np.prod(kernel.shape[:2]), *kernel.shape[2:]
            worst = max(worst, abs(kernel).max() / np.sqrt(6 / (positions * (inside + outside))))
    return f"initial weights: up to {worst:.3f} of Glorot's limits sqrt(6 / (inputs + outputs))"


def padding():
    """Difference of a strided layer from torch's with padding 1, plain and mirrored."""
    layer = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)
    images = torch.randn(4, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(0))
    theirs = layer(images).detach().permute(0, 3, 1, 2)
    kernel = torch.as_tensor(keras.ops.convert_to_numpy(layer.kernel)).permute(3, 2, 0, 1)
    images = images.permute(0, 3, 1, 2)
    plain = F.conv2d(images, kernel, stride=2, padding=1)
    mirrored = F.conv2d(images.flip(2, 3), kernel.flip(2, 3), stride=2, padding=1).flip(2, 3)
    sizes = [float((theirs - ours).abs().max()) for ours in (plain, mirrored)]
    return (
        f"a strided 3x3 layer differs from torch's with padding 1 by up to {sizes[0]:.2f}, mirrored by {sizes[1]:.1e}"
    )


def norms(net):
    """Constants of batch-norm, and what enters the moving variance."""
    layers = [layer for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization)]
    constants = {(layer.momentum, layer.epsilon) for layer in layers}
    one = keras.layers.BatchNormalization(momentum=0.0)
    values = torch.randn(8, 1, 1, 3, generator=torch.Generator().manual_seed(0))
    one(values, training=True)
    moved = keras.ops.convert_to_numpy(one.moving_variance)
    ratio = float((moved / values.flatten(0, 2).var(0).numpy()).mean())
    return (
        f"batch-norm: {len(layers)} layers with (momentum, epsilon) {constants}; 8 values enter the moving variance as "
        f"{ratio:.3f} of their unbiased variance"
    )


def last_batch():
    """Sizes of the batches of an epoch of 200 images by 64."""
    seen = []

    class Seen(keras.Model):
        def train_step(self, data):
            seen.append(len(data[0]))
            return {}

    inputs = keras.Input((1,))
    model = Seen(inputs, keras.layers.Dense(1)(inputs))
    model.compile(loss="mse", run_eagerly=True)
    model.fit(np.zeros((200, 1)), np.zeros((200, 1)), batch_size=64, verbose=0)
    return f"an epoch of 200 images in batches of 64: {seen}"


def adam():
    """Size of an optimiser's step where a gradient is as small as its epsilon lets it count, beside torch's."""
    ours, theirs = torch.nn.Parameter(torch.zeros(1)), keras.Variable(np.zeros(1, np.float32))
    gradient = torch.full((1,), 1e-6)
    optimisers = torch.optim.Adam([ours], lr=0.01), keras.optimizers.Adam(0.01)
    ours.grad = gradient
    optimisers[0].step()
    optimisers[1].apply([gradient], [theirs])
    moved = float(ours.detach().abs()), float(np.abs(keras.ops.convert_to_numpy(theirs)).max())
    epsilons = optimisers[1].epsilon, optimisers[0].defaults["eps"]
    return (
        f"Adam: epsilon {epsilons[0]:g} (torch {epsilons[1]:g}); a first step on a gradient of 1e-6 is {moved[0]:.4f} "
        f"by torch, {moved[1]:.4f} by Keras"
    )


def main():
    keras.utils.set_random_seed(0)
    net = network()
    print(f"Keras {keras.version()}, torch {torch.__version__.split('+')[0]}")
    for line in (starts(net), padding(), norms(net), last_batch(), adam()):
        print(f"- {line}")


if __name__ == "__main__":
    main()
