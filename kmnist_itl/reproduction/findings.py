"""What came out, in a few sentences under each notebook's title, written from its tables.

Each function takes the tables of a folder, as `results.read_tables` gives them, and returns sentences that
are true for whatever profile, data and seeds they were measured with. "Sure" is what rules.py calls sure: the
chance that any difference of a sentence has the other sign is 5%.
"""

import numpy as np

from kmnist_itl.reproduction import experiments, paper, rules

_INPUTS = ("30 codes", "784 pixels")
_PRIORS = {
    "gaussian": "the Gaussian",
    "gaussian_mixture": "the mixture of ten",
    "swiss_roll": "the swiss roll",
}


def bottleneck_size(tables):
    """Notebook 02: is there a best number of codes?"""
    runs = tables["table1_bottleneck_size"]
    accuracy = _by(runs, "latent_dim")
    apart = rules.apart(accuracy, 30)
    errors = runs.groupby("latent_dim").reconstruction_error.mean()
    falls = "falls" if errors.is_monotonic_decreasing else "does not fall"
    text = (
        f"With 30 codes the MLP recognizes {_share(accuracy[30])} of the test images. "
        f"{_sides(apart, 'k = {}', 'k = 30')} The reconstruction error {falls} with every step from "
        f"{min(errors.index)} to {max(errors.index)} codes."
    )
    if not _known(accuracy):
        return f"{text} {_ONE_SEED}"
    if all(side == "less" for *_, side in apart.values()):
        return f"{text} So there is a peak at 30."
    return f"{text} So a peak at 30 is not shown."


def gains(runs):
    """What codes add to pixels, and batch normalization and dropout to the plain MLP: pairs of accuracies.

    `runs` is the table fig03_classify_codes; returns a dict by name, as `statistics.gains_table` takes it.
    """
    accuracy = {label: rows.accuracy.to_numpy() for label, rows in runs.groupby(["inputs", "batch_norm"])}
    codes, pixels = ({both: accuracy[inputs, both] for both in (False, True)} for inputs in _INPUTS)
    return {
        "codes over pixels, plain": (codes[False], pixels[False]),
        "codes over pixels, both with batch normalization and dropout": (codes[True], pixels[True]),
        "batch normalization and dropout, on codes": (codes[True], codes[False]),
        "batch normalization and dropout, on pixels": (pixels[True], pixels[False]),
    }


def classify_codes(tables):
    """Notebook 03: codes or pixels, and what batch normalization and dropout add."""
    pairs = gains(tables["fig03_classify_codes"])
    parts = [
        f"{name} {100 * found.mean:+.1f} points{_sure(p)}"
        for name, (found, p, _) in rules.apart_in_pairs(pairs).items()
    ]
    best, plain = pairs["batch normalization and dropout, on codes"]
    return (
        f"The MLP recognizes {_share(plain)} of the test images from 30 codes, with batch normalization and "
        f"dropout {_share(best)}. The four gains: {'; '.join(parts)}."
        f"{'' if len(best) > 1 else ' ' + _ONE_SEED}"
    )


def cnn(tables):
    """Notebook 04: the CNN beside the MLP on codes."""
    accuracy = _by(tables["fig04_cnn"], "model")
    lead = rules.difference(accuracy["CNN"], accuracy["MLP on 30 codes"])
    return (
        f"The CNN recognizes {_share(accuracy['CNN'])} of the test images, the MLP on 30 codes "
        f"{_share(accuracy['MLP on 30 codes'])}: {100 * lead.mean:+.1f} points{_sure(lead.p)}."
        f"{_caveat(accuracy)}"
    )


def kernel_size(tables):
    """Notebook 06: how near the codes come to the roll, what shape they have, how fast the CSD falls."""
    runs = tables["fig05_kernel_size"]
    distance, blob = (_by(runs, "sigma", column) for column in ("distance_to_roll", "csd_to_blob"))
    first, last = min(distance), max(distance)
    near = rules.difference(distance[last], distance[first])
    shape = rules.difference(blob[first], blob[last])
    p_near, p_shape = rules.holm([near.p, shape.p])
    falls = []
    for sigma, rows in runs.groupby("sigma"):
        never = (rows.plateau_epochs >= rows.epochs).any()
        falls.append(f"{'never' if never else f'{rows.plateau_epochs.max():.0f}'} with σ = {sigma:g}")
    return (
        f"The mean distance of the codes to the roll is {distance[first].mean():.2f} with σ = {first:g} and "
        f"{distance[last].mean():.2f} with σ = {last:g}{_sure(p_near)}; their CSD to a Gaussian blob is "
        f"{blob[first].mean():.2f} and {blob[last].mean():.2f}{_sure(p_shape)}. Epochs until the CSD is "
        f"below half of its first value, in the slowest training: {', '.join(falls)}."
        f"{_caveat(distance)}"
    )


def swiss_roll_lambda(tables):
    """Notebook 07: which lambda clusters best, and how smooth the walk is."""
    accuracy = _by(tables["fig07_lambda"], "lambda")
    best = max(accuracy, key=lambda weight: accuracy[weight].mean())
    apart = rules.apart(accuracy, paper.BEST_LAMBDA)
    steps = _by(tables["fig08_walk"], "lambda", "long_steps")
    roll, none = steps[paper.BEST_LAMBDA], steps[0]
    smoother = rules.difference(none, roll)
    return (
        f"k-means has the highest mean with λ = {best:g} ({_share(accuracy[best])}); with the paper's "
        f"λ = {paper.BEST_LAMBDA:g} it is right for {_share(accuracy[paper.BEST_LAMBDA])} of the test "
        f"images. {_sides(apart, 'λ = {}', 'that')} On the walk over the roll {roll.mean():.0%} of the steps "
        f"are long, on the same walk through codes without a prior {none.mean():.0%}{_sure(smoother.p)}."
        f"{_caveat(accuracy)}"
    )


def priors_and_clustering(tables):
    """Notebook 08: does a prior help k-means?"""
    runs = tables["table2_priors"]
    of_codes = runs[runs.prior.isin(list(paper.TABLE_2))]
    accuracy, on_test = (_by(of_codes, "prior", name) for name in ("accuracy", "accuracy_fitted_on_test"))
    apart, apart_on_test = rules.apart(accuracy, "none"), rules.apart(on_test, "none")
    sides = {prior: rules.agreed(apart[prior][-1], apart_on_test[prior][-1]) for prior in apart}
    gains = "; ".join(
        f"{_PRIORS[prior]} {100 * found.mean:+.1f} points{_side_words(sides[prior])}"
        for prior, (found, *_) in apart.items()
    )
    helped = [_PRIORS[prior] for prior, side in sides.items() if side == "more"]
    none = _share(accuracy["none"])
    text = f"Without a prior k-means is right for {none} of the test images. With one: {gains}."
    if not (_known(accuracy) and _known(on_test)):
        return f"{text} {_ONE_SEED}"
    if helped:
        return f"{text} So {' and '.join(helped)} helped."
    most, most_on_test = (
        max(100 * found.high for found, *_ in each.values()) + 0.05 for each in (apart, apart_on_test)
    )
    if max(most, most_on_test) <= 0:
        return f"{text} So no prior helps."
    margin = 100 * rules.CLUSTERS_MARGIN
    excluded = max(most, most_on_test) <= margin
    found = f"No prior helps by {margin:.0f} points" if excluded else "No prior is shown to help"
    return (
        f"{text} {found}: the 95% intervals of all gains end below {most:.1f} points, and "
        f"below {most_on_test:.1f} with k-means fitted on the test images."
    )


def computational_cost(tables):
    """Notebook 09: what the CSD costs in a step, and what an early stop makes of it."""
    steps, runs = tables["table3_step_seconds"], tables["table3_cost"]
    medians = steps.groupby(["prior", "session"]).ratio.median()
    ratio = rules.estimate(medians["gaussian"])
    sessions = f" (95% interval {ratio.low:.3f} to {ratio.high:.3f})" if ratio.known else ""
    text = f"A step with the CSD takes {ratio.mean:.3f} times the step without it{sessions}"
    if "gaussian, as written" in medians:
        text += f", with the CSD as the paper writes it {medians['gaussian, as written'].mean():.2f} times"
    epochs = runs.pivot(index="seed", columns="autoencoder", values="epochs").astype(float)
    sooner = int((ratio.mean * epochs["with CSD"] < epochs["without CSD"]).sum())
    most = tables["table3_cost"].epochs.max()
    at_limit = int((epochs == most).sum().sum())
    least = "at least " if (epochs == most).all(axis=1).any() else ""  # two that were cut may differ
    return (
        f"{text}. With the CSD {least}{sooner} of {len(epochs)} trainings stop so early that they end sooner "
        f"than without it; {at_limit} of {2 * len(epochs)} trainings ran to the longest, {most:.0f} epochs."
    )


def does_a_prior_help(tables):
    """Notebook 10: how hard a prior pulls, and whether any of a grid helps."""
    gradients = tables["prior_gradients"]
    accuracy = _by(tables["prior_grid"], "setting")
    apart = rules.apart(accuracy, "none")
    wide = gradients[gradients.setting == experiments.WATCHED[0]]
    ratio = (wide.gradient_csd / wide.gradient_reconstruction).groupby(wide.stage, sort=False).mean()
    shares = ", ".join(f"{share:.1%} {_STAGES[stage]}" for stage, share in ratio.items())
    best = max(apart, key=lambda setting: apart[setting][0].mean)
    text = (
        f"With Table 2's σ = 100 and λ = 0.1 the prior's gradient in the encoder, as a part of the "
        f"reconstruction's, is {shares}. Of {len(apart)} settings {best} has the highest mean, "
        f"{100 * apart[best][0].mean:+.1f} points from no prior."
    )
    if not _known(accuracy):
        return f"{text} {_ONE_SEED}"
    better, worse = (
        [name for name, (*_, side) in apart.items() if side == word] for word in ("more", "less")
    )
    return f"{text} Surely better than no prior: {_list(better, '; ')}. Surely worse: {_list(worse, '; ')}."


def verdicts(tables):
    """Notebook 11: how many claims hold."""
    holds = tables["verdicts"].holds.value_counts()
    asked = holds.drop("not testable", errors="ignore")
    if "not comparable" in asked:
        return "Other data or another profile than the paper's: no claim is judged."
    counts = ", ".join(f"{count} {word}" for word, count in asked.items())
    return f"Of {asked.sum()} claims that can be tested: {counts}."


def ahead_of_peers(methods):
    """Whether our clusters are surely more accurate on the test images than those of each other method.

    `methods` is the table clustering_methods; those on our features are left out, for they have a part of
    ours. Returns (verdict as `rules.best` gives it, the name of the method that comes closest, Estimate of
    the lead over it), or None if UMAP was not measured.
    """
    accuracy = _by(methods, "method")
    if not {"cs_qmi", "umap"} <= set(accuracy):
        return None
    ours = accuracy.pop("cs_qmi")
    leads = {
        name: rules.difference(ours, values)
        for name, values in accuracy.items()
        if name not in experiments.ON_OUR_FEATURES
    }
    verdict, lead = rules.best(list(leads.values()))
    return verdict, next(name for name, each in leads.items() if each is lead), lead


def beyond_the_prior(tables):
    """Notebook 12: clusters by information beside what one would take instead."""
    methods, joined = tables["clustering_methods"], tables["joined_forms"]
    test, train = (_by(methods, "method", column) for column in ("accuracy", "train_accuracy"))
    others = ("umap", "n2d", "iic", "kmeans", *experiments.ON_OUR_FEATURES)
    others = [name for name in others if name in test]
    apart = rules.apart_in_pairs({name: (test["cs_qmi"], test[name]) for name in others})
    text = (
        f"Clusters by the information of neighbours are right for {_share(test['cs_qmi'])} of the test "
        f"images and {_share(train['cs_qmi'])} of the training images"
    )
    leads = [
        f"{METHODS[name]} {_share(test[name])}, {100 * lead.mean:+.1f} points{_sure(p)}"
        for name, (lead, p, _) in apart.items()
    ]
    text += f". The others on the test images, and how far ours are ahead: {'; '.join(leads)}"
    return (
        f"{text}. Of all joins of the forms that were found, {joined.tied.mean():.0f} are tied; the one that "
        f"is taken agrees with another of them on {joined.agreement.mean():.0%} of the images on average."
        f"{_caveat(test)}"
    )


# What notebook 12 calls the methods.
METHODS = {
    "cs_qmi": "joined forms (ours)",
    "kmeans": "k-means on the pixels",
    "pca": "k-means on 50 components",
    "umap": "UMAP with k-means",
    "n2d": "N2D",
    "iic": "IIC",
    "kmeans_of_features": "k-means on our features",
    "umap_of_features": "UMAP with k-means on our features",
    "none": "k-means on 3 codes, no prior",
    "gaussian": "k-means on 3 codes, Gaussian",
    "gaussian_mixture": "k-means on 3 codes, mixture",
    "swiss_roll": "k-means on 3 codes, swiss roll",
}

FINDINGS = {
    "02_bottleneck_size": bottleneck_size,
    "03_classify_codes": classify_codes,
    "04_cnn_baseline": cnn,
    "06_swiss_roll_kernel_size": kernel_size,
    "07_swiss_roll_lambda": swiss_roll_lambda,
    "08_priors_and_clustering": priors_and_clustering,
    "09_computational_cost": computational_cost,
    "10_does_a_prior_help": does_a_prior_help,
    "11_verdicts": verdicts,
    "12_beyond_the_prior": beyond_the_prior,
}

_STAGES = {"start": "at the start", "middle": "in the middle", "end": "at the end"}
_ONE_SEED = "One seed: nothing of this is sure."


def _by(runs, setting, column="accuracy"):
    return {value: rows[column].dropna() for value, rows in runs.groupby(setting, sort=False)}


def _known(groups):
    return all(len(values) > 1 for values in groups.values())


def _caveat(groups):
    return "" if _known(groups) else f" {_ONE_SEED}"


def _sides(apart, form, reference):
    """One sentence of the sides on which settings lie from a reference; the order of means for one seed."""
    if not all(found.known for found, *_ in apart.values()):
        order = sorted(apart, key=lambda name: -apart[name][0].mean)
        return f"The others, best to worst: {_list([form.format(f'{name:g}') for name in order])}."
    parts = []
    for side, words in (("more", "surely better"), ("less", "surely worse"), ("not settled", "not settled")):
        if names := [form.format(f"{name:g}") for name, (*_, word) in apart.items() if word == side]:
            parts.append(f"{words}: {_list(names)}")
    return f"Compared with {reference}: {'; '.join(parts)}."


def _side_words(side):
    return {"more": " (surely more)", "less": " (surely less)"}.get(side, " (direction not settled)")


def _sure(p):
    if np.isnan(p):
        return ""
    return " (sure)" if p <= 1 - rules.LEVEL else " (not settled)"


def _share(values):
    found = rules.estimate(values)
    return f"{found.mean:.1%} ± {100 * found.deviation:.1f}" if found.known else f"{found.mean:.1%}"


def _list(names, between=", "):
    return between.join(map(str, names)) or "none"
