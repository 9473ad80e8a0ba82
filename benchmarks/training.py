"""Seconds per training step of the autoencoder: Keras' fit as in kmnist_itl.training beside PyTorch.

    make benchmark        or        python benchmarks/training.py [--rounds 9] [--latent-dim 30]

The same model (784-800-400-k-400-800-784), loss (mean squared error), optimizer (Adam 1e-3) and batch (1,000)
on the same random images. Each contestant has a process of its own; they take turns of one epoch (54 steps),
so that all meet the same machine. Printed are the medians over the rounds and of the paired ratios;
"products" is what the step's matrix products alone take, in PyTorch: no step can be faster with that library.
"""

import argparse
import itertools
import platform
import time
import warnings

import contest
import numpy as np

STEPS, BATCH = 54, 1_000
CONTESTANTS = ("keras", "torch", "products")


def keras_epoch(latent_dim):
    """A function that trains one epoch through Keras' fit and returns seconds per step."""
    from kmnist_itl import models, settings, training
    from kmnist_itl._tensorflow import keras

    warnings.filterwarnings("ignore", message=".*shuffle=True.*")
    model = models.stacked_autoencoder(latent_dim)
    model.compile(keras.optimizers.Adam(settings.LEARNING_RATE), "mean_squared_error", jit_compile=True)
    pipeline, timer = training.batches(_images(), seed=0), training.StepTimer()

    def epoch():
        model.fit(pipeline, epochs=1, verbose=0, callbacks=[timer])
        return timer.epochs[-1] / STEPS

    return epoch


def torch_epoch(latent_dim):
    """The same in PyTorch: shuffled batches out of one tensor, forward, backward, Adam."""
    import torch
    from torch import nn

    sizes = (784, 800, 400, latent_dim, 400, 800, 784)
    activations = (nn.Tanh(), nn.Tanh(), nn.Identity(), nn.ReLU(), nn.ReLU(), nn.Sigmoid())
    pairs = zip(itertools.pairwise(sizes), activations, strict=True)
    model = nn.Sequential(*(layer for shape, act in pairs for layer in (nn.Linear(*shape), act)))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    images = torch.from_numpy(_images())

    def epoch():
        started = time.perf_counter()
        for indices in torch.randperm(len(images)).split(BATCH):
            batch = images[indices]
            loss = nn.functional.mse_loss(model(batch), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - started) / STEPS

    return epoch


def products_epoch(latent_dim):
    """Only the matrix products of a step: forward, gradient of the weights, gradient of the inputs."""
    import torch

    sizes = (784, 800, 400, latent_dim, 400, 800, 784)
    layers = [
        (torch.rand(BATCH, n), torch.rand(n, m), torch.rand(BATCH, m)) for n, m in itertools.pairwise(sizes)
    ]

    def epoch():
        started = time.perf_counter()
        for _ in range(STEPS):
            for number, (x, w, g) in enumerate(layers):
                torch.mm(x, w)
                torch.mm(x.T, g)
                if number:  # nobody asks for the gradient of the images
                    torch.mm(g, w.T)
        return (time.perf_counter() - started) / STEPS

    return epoch


def _images():
    return np.random.default_rng(0).random((STEPS * BATCH, 784), dtype=np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--latent-dim", type=int, default=30)
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return contest.be_worker(globals()[f"{given.worker}_epoch"](given.latent_dim))

    from kmnist_itl.reproduction import (
        cost,
    )  # not above: a worker has TensorFlow or PyTorch, both in one may clash

    taken = contest.take_turns(__file__, CONTESTANTS, ["--latent-dim", given.latent_dim], given.rounds)
    print(f"{cost.device_name()}, Python {platform.python_version()}, {given.rounds} rounds of {STEPS} steps")
    for name, seconds in taken.items():
        print(f"{name:>9}: {contest.describe(seconds)} a step")
    for name in ("torch", "products"):
        print(
            f"keras / {name}: {contest.ratio(taken['keras'], taken[name]):.3f}, median of the paired ratios"
        )


if __name__ == "__main__":
    main()
