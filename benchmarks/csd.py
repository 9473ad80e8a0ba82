"""What the Cauchy-Schwarz divergence costs and how exact it is.

    make benchmark        or        python benchmarks/csd.py [--rounds 15]

1. A training step through Keras' fit with the CSD beside one without it, in turns, as in notebook 08.
2. The divergence and its gradient in both samples, beside PyTorch's cdist, logsumexp and autograd, in turns,
   by number of points and of dimensions; and the least that the exponentials take: each pair within x, within
   y and between them needs one, at the rate of exp over a large array on this machine.
3. Memory and time of large samples, each in a process of its own, whole and in blocks.
4. The relative error in float32 against SciPy in float64.
5. The first epoch of a training, which compiles, and a later one, by number of dimensions.
6. The estimators, value and gradient in x: the one of two samples and the closed form.
"""

import argparse
import functools
import platform
import subprocess
import sys
import time
from pathlib import Path

import contest
import numpy as np

SIGMA = 1.0
POINTS, DIMENSIONS = (250, 500, 1_000, 2_000, 4_000, 8_000, 16_000), (1, 2, 10, 50, 200, 784)
CONTESTANTS = ("ours", "torch", "exp")
BLOCK = 1_000


def samples(n, dim, dtype=np.float32):
    """Two clouds [n, dim]: a standard normal one, and a wider one beside it."""
    rng = np.random.default_rng(n + dim)
    return rng.normal(size=(n, dim)).astype(dtype), (2 * rng.normal(size=(n, dim)) + 1).astype(dtype)


def ours_turn(n, dim):
    from kmnist_itl._tensorflow import tf
    from kmnist_itl.divergence import cauchy_schwarz_divergence

    x, y = map(tf.constant, samples(n, dim))

    @tf.function(jit_compile=True)
    def value_and_gradients(x, y):
        with tf.GradientTape() as tape:
            tape.watch((x, y))
            value = cauchy_schwarz_divergence(x, y, SIGMA, block_size=BLOCK if n > 4_000 else None)
        return value, tape.gradient(value, (x, y))

    return lambda: [tensor.numpy() for tensor in value_and_gradients(x, y)[1]]


def torch_turn(n, dim):
    import torch

    x, y = (torch.from_numpy(points).requires_grad_() for points in samples(n, dim))

    def log_potential(a, b):
        return torch.logsumexp(-(torch.cdist(a, b) ** 2).flatten() / (4 * SIGMA**2), 0)

    def turn():
        csd = log_potential(x, x) + log_potential(y, y) - 2 * log_potential(x, y)
        torch.autograd.grad(csd, (x, y))

    return turn


def exp_turn(n, dim):
    from kmnist_itl._tensorflow import tf

    exponents = tf.constant(-np.random.default_rng(0).random(10**6, dtype=np.float32))
    exp = tf.function(lambda e: tf.reduce_sum(tf.exp(e)), jit_compile=True)
    return lambda: exp(exponents).numpy()


def timed(turn):
    """A turn that returns seconds per call: as many calls as fill a tenth of a second."""
    turn()
    started = time.perf_counter()
    turn()
    calls = max(1, int(0.1 / (time.perf_counter() - started)))

    def repeated():
        started = time.perf_counter()
        for _ in range(calls):
            turn()
        return (time.perf_counter() - started) / calls

    return repeated


def large(n, block_size):
    """Print seconds and megabytes that one divergence of n and n points takes beyond a small one."""
    from kmnist_itl.divergence import cauchy_schwarz_divergence

    cauchy_schwarz_divergence(*samples(10, 3), SIGMA, block_size=block_size)
    x, y = samples(n, 3)
    # Linux: the peak starts again from what is in use now. getrusage's would be that of the parent, too.
    Path("/proc/self/clear_refs").write_text("5")
    before, started = peak_memory(), time.perf_counter()
    float(cauchy_schwarz_divergence(x, y, SIGMA, block_size=block_size))
    seconds = time.perf_counter() - started
    print(f"{seconds:8.1f} s {(peak_memory() - before) / 1024:8.0f} MB")


def peak_memory():
    """The most memory that this process has held since its peak was reset, in kB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0])


def float64_csd(x, y, sigma):
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    def log_mean(a, b):
        e = -cdist(a.astype(float), b.astype(float), "sqeuclidean") / (4 * sigma**2)
        return np.log1p(np.mean(np.expm1(e))) if e.min() > -0.01 else logsumexp(e) - np.log(e.size)

    return log_mean(x, x) + log_mean(y, y) - 2 * log_mean(x, y)


def step(rounds):
    from kmnist_itl import data, priors
    from kmnist_itl.reproduction import cost

    images = data.load("auto").train.images
    # Digits, the stand-in, fill one batch only; the pixels do not matter here.
    images = np.resize(images, (20_000, images.shape[1]))
    taken = cost.step_seconds(images, ["none", *priors.PRIORS], rounds=rounds)
    for name, seconds in taken.items():
        ratio = contest.ratio(seconds, taken["none"])
        print(
            f"  {name:<17} {contest.describe(seconds)}, {ratio:.3f} times none, median of the paired ratios"
        )


def estimator(rounds):
    for n, dim in [(n, 3) for n in POINTS] + [(1_000, dim) for dim in DIMENSIONS]:
        arguments = ["--points", n, "--dimensions", dim]
        taken = contest.take_turns(__file__, CONTESTANTS, arguments, rounds if n < 8_000 else 1)
        ours, limit = taken["ours"], [3 * n * n / 1e6 * seconds for seconds in taken["exp"]]
        print(
            f"  {n:6} points, {dim:3} dimensions: {contest.describe(ours)}, "
            f"{contest.ratio(ours, taken['torch']):.2f} of torch's, "
            f"{contest.ratio(ours, limit):.1f} times the exponentials alone",
            flush=True,
        )


def memory():
    for n, block_size in ((8_000, 0), (8_000, BLOCK), (16_000, BLOCK), (60_000, BLOCK)):
        command = [sys.executable, __file__, "--large", str(n), "--block", str(block_size)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        print(f"  {n:6} x {n:6} points, {f'blocks of {block_size}' if block_size else 'whole':<14} {found}")


def relative_errors(dim):
    """Yields (sigma, relative errors against float64) for four pairs of clouds of 1,000 points."""
    from kmnist_itl.divergence import cauchy_schwarz_divergence

    x, wider = samples(1_000, dim, float)
    same = np.random.default_rng(5).normal(size=x.shape)
    pairs = ((x, same), (x, wider), (x + 100, wider + 100), (x, wider + 1_000 / dim**0.5))
    for sigma in (0.01, 0.1, 1, 2, 5, 10, 100, 1_000, 10_000):
        errors = []
        for a, b in pairs:
            a, b = a.astype(np.float32), b.astype(np.float32)
            exact = float64_csd(a, b, sigma)
            errors.append(abs(float(cauchy_schwarz_divergence(a, b, sigma)) - exact) / exact)
        yield sigma, errors


def accuracy():
    print("  sigma    same density   wider   100 off the origin   1,000 apart   (1,000 points, 3 dimensions)")
    for sigma, errors in relative_errors(3):
        print(f"  {sigma:<8g}" + "".join(f"{error:14.1e}" for error in errors))


def dimensions():
    from kmnist_itl import priors
    from kmnist_itl._tensorflow import keras
    from kmnist_itl.divergence import CauchySchwarzRegularizer

    for dim in (2, 3, 8, 25, 100, 784):
        codes = np.random.default_rng(0).normal(size=(200, dim)).astype(np.float32)
        regularizer = CauchySchwarzRegularizer(priors.Gaussian(dim), dim**0.5, seed=0)
        model = keras.Sequential([keras.Input((dim,)), keras.layers.Dense(dim), regularizer])
        model.compile("adam", "mean_squared_error", jit_compile=True)
        taken = []
        for _ in range(6):
            started = time.perf_counter()
            model.fit(codes, codes, batch_size=200, verbose=0)
            taken.append(time.perf_counter() - started)
        print(f"  {dim:3} dimensions: {taken[0]:5.1f} s, later {1_000 * min(taken[1:]):4.0f} ms", flush=True)


def estimators():
    from kmnist_itl import divergence
    from kmnist_itl._tensorflow import tf

    def milliseconds(cost, x):
        @tf.function(jit_compile=True)
        def value_and_slope(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = cost(x)
            return value, tape.gradient(value, x)

        turn = timed(lambda: [tensor.numpy() for tensor in value_and_slope(x)])
        return 1e3 * float(np.median([turn() for _ in range(5)]))

    for n in (1_000, 4_000, 16_000):
        x, y = map(tf.constant, samples(n, 3))
        block_size = BLOCK if n > 4_000 else None
        options = {"sigma": SIGMA, "block_size": block_size}
        exact = functools.partial(divergence.cauchy_schwarz_divergence, y=y, **options)
        print(f"  {n:6} points, two samples: {milliseconds(exact, x):7.1f} ms")
        closed = functools.partial(
            divergence.divergence_from_gaussians, means=tf.ones([1, 3]), spread=2.0, **options
        )
        print(f"  {n:6} points, closed form: {milliseconds(closed, x):7.1f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    for name in ("points", "dimensions", "large", "block"):
        parser.add_argument(f"--{name}", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return contest.be_worker(timed(globals()[f"{given.worker}_turn"](given.points, given.dimensions)))
    if given.large:
        return large(given.large, given.block or None)

    from kmnist_itl.reproduction import (
        cost,
    )  # not above: a worker has TensorFlow or PyTorch, both in one may clash

    print(f"{cost.device_name()}, Python {platform.python_version()}, median (lowest to highest)")
    print(f"1. A training step through fit, batch 1,000, 3 codes, {4 * given.rounds} rounds of 20 steps:")
    step(4 * given.rounds)
    print("2. The divergence and both gradients, float32:", flush=True)
    estimator(given.rounds)
    print(
        "3. One divergence of large samples, beyond what a small one takes; blocks with compiling:",
        flush=True,
    )
    memory()
    print("4. Relative error in float32 against float64:", flush=True)
    accuracy()
    print("5. The first epoch of 200 codes, compiled under XLA:", flush=True)
    dimensions()
    print("6. The estimators, value and gradient in x, 3 dimensions:", flush=True)
    estimators()


if __name__ == "__main__":
    main()
