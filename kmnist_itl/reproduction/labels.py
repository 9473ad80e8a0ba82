"""How many labels the forms save: accuracy when a person labels one image of each form, and beside it.

``python -m kmnist_itl.reproduction.labels`` writes figures/clustering_labels.csv for the seeds whose network
is kept; it trains nothing, and leaves the rows of other seeds as they are.
"""

import argparse

import numpy as np
import pandas as pd

from kmnist_itl import clustering, data, settings
from kmnist_itl.clustering import forms, labels, network
from kmnist_itl.reproduction.measurements import read_table, write_table
from kmnist_itl.reproduction.trainings import Clustering

NAME = "clustering_labels"
RESOLUTIONS = (1, 2, 4)  # about 55, 85 and 125 forms of KMNIST
# Zhou et al., "Learning with local and global consistency", NIPS 2003, whose alpha is 0.99.
SPREADING = {"alpha": 0.99, "max_iter": 100, "tol": 1e-6}
# In the first protocol the test images play no part before they are classified; in the second the graph, the
# forms and the images that get a label are of training, validation and test images together.
PROTOCOLS = ("new_images", "all_images")


def rows(dataset, run, seed):
    """Accuracies by method, protocol and number of labels, a list of dicts; a label paid for is a true one.

    Nothing but the labels of the images that a person would look at is used to classify. Methods:

    - "forms": the whole form gets its representative's label. Neighbours are shared, which was chosen because
      seeds of Leiden agree more; "forms_unweighted" is without.
    - "forms_spread": the representatives' labels spread over the graph.
    - "kmeans_of_features", "kmeans": clusters of k-means in place of forms.
    - "random", "random_spread": as many random images, by their nearest neighbour in the features or spread
      over the graph.

    Args:
        dataset: data.Dataset.
        run: training.Run of a clustering network.
        seed: int, of the forms and the random images.
    """
    splits = dataset.train, dataset.validation, dataset.test
    truth = np.concatenate([split.labels for split in splits])
    pixels = np.concatenate([split.images for split in splits])
    seen = np.concatenate([network.features(run, split.images) for split in splits])
    ends = np.cumsum([len(split) for split in splits])
    table = []
    for protocol, end in zip(PROTOCOLS, (ends[0], ends[-1]), strict=True):
        for method, count, predicted in _predicted(seen, pixels, truth, end, seed):
            right = predicted == truth
            table.append(
                {
                    "method": method,
                    "protocol": protocol,
                    "labels": count,
                    "seed": seed,
                    "train_accuracy": right[: ends[0]].mean(),
                    "accuracy": right[ends[1] :].mean(),
                    "all_accuracy": right.mean(),
                }
            )
    return table


def _predicted(features, pixels, truth, end, seed):
    """(method, number of labels, the classes of all images); images from `end` on are new, and get a vote."""
    of_pixels, of_features = {}, {}
    points = features[:end]
    near = forms.nearest_neighbours(points, components=forms.COMPONENTS)
    reduced = {
        name: forms.reducer(inputs, forms.COMPONENTS).fit_transform(inputs)
        for name, inputs in (("kmeans", pixels[:end]), ("kmeans_of_features", points))
    }
    rng = np.random.default_rng(seed)
    for resolution in RESOLUTIONS:
        parts = forms.find_forms(near, resolution=2 * resolution, seed=seed)
        typical, predicted = label_groups(points, parts, truth)
        of_features["forms_unweighted", len(typical)] = predicted
        parts = forms.find_forms(near, resolution=resolution, shared=True, seed=seed)
        typical, predicted = label_groups(points, parts, truth)
        count = len(typical)
        of_features["forms", count] = predicted
        of_features["forms_spread", count] = _spread(near, typical, truth)
        drawn = rng.choice(end, count, replace=False)
        of_features["random_spread", count] = _spread(near, drawn, truth)
        yield "random", count, forms.classify_by_neighbours(features[drawn], truth[drawn], features, 1)
        for method, kept in (("kmeans", of_pixels), ("kmeans_of_features", of_features)):
            parts = clustering.fit_kmeans(reduced[method], clusters=count, seed=seed, starts=1).labels_
            _, kept[method, count] = label_groups(reduced[method], parts, truth)
    for inputs, kept in ((features, of_features), (pixels, of_pixels)):
        predicted = np.stack(list(kept.values()), axis=1)
        if end < len(truth):
            voted = forms.classify_by_neighbours(inputs[:end], predicted, inputs[end:])
            predicted = np.concatenate([predicted, voted])
        for (method, count), column in zip(kept, predicted.T, strict=True):
            yield method, count, column


def label_groups(points, parts, truth):
    """(the most typical point of each group, ints [f]; the classes of all points if its own go to the group).

    Of points, floats [n, d], `parts` are the groups, ints [n], and `truth` the classes, of which only those
    of the typical points are looked at.
    """
    typical = labels.representatives(points, parts)[:, 0]
    return typical, truth[typical][parts]


def _spread(near, labelled, truth):
    """The classes of all images of a graph from those of a few, by scikit-learn's LabelSpreading."""
    import warnings

    from scipy import sparse
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.semi_supervised import LabelSpreading

    n, k = near.shape
    graph = sparse.csr_matrix((np.ones(n * k), (np.repeat(np.arange(n), k), near.ravel())), (n, n))
    known = np.full(n, -1)
    known[labelled] = truth[labelled]
    spreading = LabelSpreading(lambda *_: (graph + graph.T).tocoo(), **SPREADING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # where no label arrives
        return spreading.fit(np.zeros((n, 1)), known).transduction_


def main():
    """The command of the module."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_itl.reproduction.labels", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    parser.add_argument("--again", action="store_true", help="measure seeds anew that have rows")
    arguments = parser.parse_args()
    profile, dataset = settings.get_profile("paper"), data.load("kmnist")
    path = settings.figures_dir(dataset.name, profile) / f"{NAME}.csv"
    for seed in arguments.seeds:
        described = Clustering(fingerprint=dataset.fingerprint, profile=profile, seed=seed, changes={})
        before = read_table(path) if path.is_file() else pd.DataFrame({"seed": []})
        if not described.kept or (seed in set(before.seed) and not arguments.again):
            print(f"seed {seed}: {'measured before' if described.kept else 'its network is not kept'}")
            continue
        measured = pd.DataFrame(rows(dataset, described.run(dataset), seed))
        measured["dataset"], measured["profile"] = dataset.name, profile.name
        measured["network"] = described.key
        parts = [part for part in (before[before.seed != seed], measured) if len(part)]
        write_table(pd.concat(parts).sort_values(["method", "protocol", "seed", "labels"]), path)
        print(measured.to_string())


if __name__ == "__main__":
    main()
