"""How much of the spread between runs comes from the validation split, which all seeds of our tables share.

It trains Table 2's autoencoder without a prior with seed 0 on several splits of the training images, clusters
the codes as notebook 07 does, and compares the spread with that of the seeds on one split, from
figures/table2_priors.csv. An autoencoder takes minutes; the runs are kept, as those of the notebooks are.

    KMNIST_DIR=... python benchmarks/split.py [number of splits, 5]
"""

import sys

import numpy as np
import pandas as pd
from scipy import stats

from kmnist_itl import data, settings
from kmnist_itl.reproduction import experiments, measures


def accuracy(split):
    """k-means accuracy of the test images, trained on a split of the training images."""
    kmnist = data.load("kmnist", seed=split)
    without_prior = experiments.table("table2_priors").trainings(
        kmnist.fingerprint, settings.get_profile("paper"), [0]
    )
    described = next(training for label, _, training in without_prior if label == "none")
    run = described.run(kmnist)
    found = measures.clusters(measures.Trained(described, run, kmnist))["accuracy"]
    print(f"split {split}: {found:.2%}, {run.epochs} epochs", flush=True)
    return found


def main(splits):
    """Print the accuracy of each split, the two spreads, and the split's share, with 95% intervals."""
    table = pd.read_csv(settings.project_dir() / "figures" / "table2_priors.csv")
    found = {
        "splits, seed 0": [accuracy(split) for split in range(splits)],
        "seeds, split 0": table[table.prior == "none"].accuracy.tolist(),
    }
    for name, values in found.items():
        deviation, n = np.std(values, ddof=1), len(values)
        low, high = deviation * np.sqrt((n - 1) / stats.chi2.ppf((0.975, 0.025), n - 1))
        print(
            f"{name}: deviation {100 * deviation:.2f} points ({100 * low:.2f} to {100 * high:.2f}), n = {n}"
        )
    by_split, by_seed = (np.var(values, ddof=1) for values in found.values())
    freedom = [len(values) - 1 for values in found.values()]
    ratios = by_split / by_seed / np.array([1, *stats.f.ppf((0.975, 0.025), *freedom)])
    share, low, high = np.maximum(0, 1 - 1 / ratios)
    print(f"the split's share of the variance: {share:.0%} (95% interval {low:.0%} to {high:.0%})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
