"""How many labels the forms save: accuracy when a person labels one image of each form, and beside it."""

import warnings

import numpy as np
from sklearn.semi_supervised import LabelSpreading

from kmnist_itl import clustering
from kmnist_itl.clustering import forms, labels, network

RESOLUTIONS = (1, 2, 4)  # about 55, 85 and 125 forms of KMNIST
# Zhou et al., "Learning with local and global consistency", NIPS 2003, whose alpha is 0.99.
SPREADING = {"alpha": 0.99, "max_iter": 100, "tol": 1e-6}


def rows(dataset, run, seed):
    """Accuracies by method, protocol and number of labels, a list of dicts; a label paid for is a true one.

    Nothing but the labels of the images that a person would look at is used to classify. For "new_images" the
    test images play no part before they are classified; for "all_images" the graph, the forms and the images
    that get a label are of training, validation and test images together.

    In "forms" the whole form gets its representative's label; neighbours are shared, which was chosen because
    seeds of Leiden agree more, and "forms_unweighted" is without. In "kmeans" (of the pixels) and
    "kmeans_of_features" clusters take the place of forms. In "random" as many random images label their
    nearest neighbours in the features. "forms_spread" and "random_spread" spread the same labels over the
    graph. Of a data.Dataset, a clustering network's training.Run, and the int that decides forms and draws.
    """
    splits = dataset.train, dataset.validation, dataset.test
    pixels, truth = (np.concatenate([getattr(s, name) for s in splits]) for name in ("images", "labels"))
    seen = network.features(run, pixels)
    train, test = len(dataset.train), len(dataset.test)
    table = []
    for protocol, end in (("new_images", train), ("all_images", len(truth))):
        for method, count, predicted in _predicted(seen, pixels, truth, end, seed):
            right = predicted == truth
            row = {"method": method, "protocol": protocol, "labels": count, "seed": seed}
            row |= {"train_accuracy": right[:train].mean(), "accuracy": right[-test:].mean()}
            table.append(row | {"all_accuracy": right.mean()})
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
    graph, known = forms.directed_graph(near), np.full(len(near), -1)
    known[labelled] = truth[labelled]
    spreading = LabelSpreading(lambda *_: (graph + graph.T).tocoo(), **SPREADING)
    with warnings.catch_warnings(action="ignore"):  # where no label arrives, or more steps would change some
        return spreading.fit(np.zeros((len(near), 1)), known).transduction_
