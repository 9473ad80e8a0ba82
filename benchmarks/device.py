"""What this machine's device does: steps a second, what determinism costs, TF32 and the CSD's exactness.

    make benchmark-device        or        python benchmarks/device.py [--rounds 9]

Meant for a GPU, whose tables docs/performance.md lacks; it runs on a CPU, too, and needs no PyTorch. It
prints two tables in Markdown, ready to be sent to us or pasted there.
"""

import argparse
import platform
import statistics

import contest
import csd
import training


def steps(rounds):
    """Print steps a second of each model and of the CSD alone, with and without deterministic operations."""
    both = ("keras", "deterministic keras")
    print("| batch 1,000 | steps a second | with deterministic operations |\n|---|---|---|")
    for model in training.MODELS:
        taken = training.compare(both, rounds, model, codes=3 if model.endswith("CSD") else 30)
        cells = [f"{1 / statistics.median(taken[name]):.1f}" for name in both]
        print(f"| {model} | {' | '.join(cells)} |", flush=True)
    for points in (1_000, 4_000):
        arguments = ["--points", points, "--dimensions", 3]
        seconds = contest.take_turns(csd.__file__, ["ours"], arguments, rounds)["ours"]
        print(f"| the CSD of {points:,} points alone | {1 / statistics.median(seconds):.1f} | |", flush=True)


def exactness():
    """Print the largest relative error of the CSD with and without TF32, which a CPU does not have."""
    from kmnist_itl._tensorflow import tf

    print("| largest relative error of the CSD | without TF32 | with TF32 |\n|---|---|---|")
    for dim in (3, 50, 784):
        cells = []
        for allowed in (False, True):
            tf.config.experimental.enable_tensor_float_32_execution(allowed)
            cells.append(f"{max(max(errors) for _, errors in csd.relative_errors(dim)):.1e}")
        print(f"| {dim} dimensions, sigma from 0.01 to 10,000 | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()

    from kmnist_itl.reproduction import cost

    print(f"{cost.device_name()}, Python {platform.python_version()}, {given.rounds} rounds\n")
    steps(given.rounds)
    print()
    exactness()


if __name__ == "__main__":
    main()
