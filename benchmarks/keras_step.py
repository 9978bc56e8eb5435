"""MobileNetV2 training by Keras and by labeleff on one thread, in turns: images per second of processor time.

    python benchmarks/keras_step.py [--python PATH] [--rounds 9]

`PATH` is an interpreter that has TensorFlow and Keras; the default is this one. Keras gets its batch as a ready array,
labeleff draws, crops and flips its own. Exit status 1 where TensorFlow is missing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

BATCH, STEPS = 64, 6
WEIGHTS = 2_236_682
"""Number of trained weights, with a head for ten classes: the same network on both sides."""


def keras():
    """Print the number of weights, then for every line that comes in the processor seconds of some steps."""
    import numpy as np

    try:
        import tensorflow as tf
    except ImportError:
        print(json.dumps({"missing": "TensorFlow"}), flush=True)
        return
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    network = tf.keras.applications.MobileNetV2(input_shape=(32, 32, 3), weights=None, classes=10)
    optimizer = tf.keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    network.compile(optimizer, "sparse_categorical_crossentropy")
    random = np.random.default_rng(0)
    images = random.standard_normal((BATCH, 32, 32, 3)).astype(np.float32)
    labels = random.integers(0, 10, BATCH)
    network.train_on_batch(images, labels)
    weights = sum(int(np.prod(w.shape)) for w in network.trainable_weights)
    print(json.dumps({"weights": weights, "versions": [tf.__version__, tf.keras.__version__]}), flush=True)
    for _ in sys.stdin:
        began = time.process_time()
        for _ in range(STEPS):
            network.train_on_batch(images, labels)
        print(time.process_time() - began, flush=True)


def trainer():
    """Make a function that does as many steps by the trainer."""
    from test_training_speed import trainer

    from labeleff.training.device import one_core

    one_core()
    return trainer()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keras", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.keras:
        keras()
        return
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    theirs = subprocess.Popen(
        [options.python, __file__, "--keras"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | quiet,
    )
    assert theirs.stdin
    assert theirs.stdout
    answer = json.loads(theirs.stdout.readline() or '{"missing": "an answer"}')
    if "missing" in answer:
        sys.exit(f"{options.python}: {answer['missing']} is missing; name an interpreter that has it with --python")
    assert answer["weights"] == WEIGHTS, answer
    ours, seconds = trainer(), []
    for _ in range(options.rounds + 1):
        print("go", file=theirs.stdin, flush=True)
        other = float(theirs.stdout.readline())
        began = time.process_time()
        ours()
        seconds.append((other, time.process_time() - began))
    theirs.stdin.close()
    theirs.wait()
    del seconds[0]
    rates = [BATCH * STEPS / statistics.median(column) for column in zip(*seconds, strict=True)]
    ratio = statistics.median(a / b for a, b in seconds)
    found = {"ratio": ratio, "keras_images_s": rates[0], "labeleff_images_s": rates[1], "versions": answer["versions"]}
    print(json.dumps(found | {"rounds": options.rounds, "load_average": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
