"""What a prior gains on other validation splits than the one that all seeds of our tables share.

It trains prior_grid's settings below with seed 0 on several splits of the training images, and clusters the
codes as notebook 07 does. A row of splits.csv is one such run; rows that stand there are not trained again.

    KMNIST_DIR=... python benchmarks/split.py [number of splits, 5] [settings, 3]
"""

import sys
from pathlib import Path

import pandas as pd

from kmnist_itl import data, settings
from kmnist_itl.reproduction import experiments, measures, rules
from kmnist_itl.reproduction.measurements import read_table

FILE = Path(__file__).with_name("splits.csv")
SETTINGS = "none", "gaussian, σ = 100, λ = 0.1", "gaussian, σ = 10, λ = 1"


def accuracy(split, setting):
    """k-means accuracy of the test images, trained with seed 0 on a split of the training images."""
    kmnist, profile = data.load("kmnist", seed=split), settings.get_profile("paper")
    trainings = experiments.table("prior_grid").trainings(kmnist.fingerprint, profile, [0])
    training = next(training for label, _, training in trainings if label == setting)
    trained = measures.Trained(training, training.run(kmnist), kmnist)
    return measures.clusters(trained)["accuracy"]


def main(splits, count):
    """Train what is missing, write it down, and print each setting's mean and its gain over no prior."""
    for setting in SETTINGS[:count]:
        for split in range(splits):
            rows = pd.read_csv(FILE)
            if not ((rows.setting == setting) & (rows.split == split)).any():
                rows.loc[len(rows)] = [setting, split, round(accuracy(split, setting), 4)]
                rows.to_csv(FILE, index=False)
                print(rows.iloc[-1].to_dict(), flush=True)
    by_split = 100 * rows.pivot(index="split", columns="setting", values="accuracy")
    print(by_split.round(2).to_string())
    for setting in by_split.columns.drop("none"):
        gain = rules.effect((by_split[setting] - by_split["none"]).dropna())
        interval = f"{gain.mean:+.2f} points, 95% interval {gain.low:+.2f} to {gain.high:+.2f}"
        print(f"{setting} minus none: {interval}, n = {gain.runs}")
    table = read_table(settings.figures_dir("kmnist", "paper") / "table2_priors.csv")
    by_seed = 100 * table[table.prior == "none"].accuracy
    deviations = f"{by_split['none'].std():.2f} over splits, {by_seed.std():.2f} over seeds"
    print(f"deviation of none, points: {deviations}")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(5, len(SETTINGS))[len(given) :])
