"""DEC, IDEC and DCN on KMNIST, as ClustPy has them, scored like the methods of notebook 12.

They are trained on the same 54,000 images, with ClustPy's defaults: 100 epochs of an autoencoder
784-500-500-2000-10, which the three share, and 150 epochs of clustering. Clusters are ClustPy's `labels_` and
`predict`. Going by single epochs, a seed takes an hour on two idle cores. deep_clustering.csv has DEC with
one seed, beside other work; IDEC and DCN were stopped.

    KMNIST_DIR=... python benchmarks/deep_clustering.py [seeds, 1] > benchmarks/deep_clustering.csv
"""

import contextlib
import copy
import csv
import os
import sys
import time

# Nothing here imports TensorFlow, which does not go with PyTorch in one process.
from kmnist_itl import clustering, data

COLUMNS = ("method", "seed", "accuracy", "train_accuracy", "all_accuracy", "nmi", "ari", "seconds")


def main(seeds):
    """Print a row for each method and seed, as in figures/clustering_methods.csv."""
    from clustpy.deep import DCN, DEC, IDEC
    from clustpy.deep.neural_networks import FeedforwardAutoencoder

    kmnist = data.load("kmnist")
    splits = [split.images for split in (kmnist.train, kmnist.validation, kmnist.test)]
    labels = [split.labels for split in (kmnist.train, kmnist.validation, kmnist.test)]
    clusters, pixels = len(kmnist.class_names), splits[0].shape[1]
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    for seed in range(seeds):
        started = time.perf_counter()
        network = FeedforwardAutoencoder([pixels, 500, 500, 2000, clusters], random_state=seed)
        with _silent():
            network.fit(n_epochs=100, batch_size=256, data=splits[0])
        before = time.perf_counter() - started
        for method in (DEC, IDEC, DCN):
            started = time.perf_counter()
            with _silent():
                found = method(clusters, neural_network=copy.deepcopy(network), random_state=seed)
                found.fit(splits[0])
                predicted = [found.labels_, *(found.predict(split) for split in splits[1:])]
            seconds = round(before + time.perf_counter() - started, 1)
            row = {"method": method.__name__, "seed": seed, "seconds": seconds}
            table.writerow(row | clustering.scores_of_splits(labels, predicted))
            sys.stdout.flush()


@contextlib.contextmanager
def _silent():
    """Without ClustPy's progress bars."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
