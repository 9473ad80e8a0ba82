"""Write docs/explore.html: a walk, codes to turn, kana to draw, forms to name, a kernel size, seeds, k-means.

    python docs/explore/build.py [--profile paper] [--dataset kmnist]

The page is one file that needs no network, no server and no library. The pictures are dots, lines and arrows
on plain canvases: 2,000 dots are sorted and drawn in a few milliseconds, also where a browser has no WebGL.
The page is page.html with the files beside it and the data of kept runs: codes, images, four decoders and an
encoder with weights of 7 bits, the forms, the rows of Table 2. Nothing is trained here.
"""

import argparse
import base64
import html
import io
import json
import re
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import special
from scipy.spatial import KDTree
from sklearn.neighbors import KNeighborsClassifier

from kmnist_itl import clustering, data, files, priors, settings, training
from kmnist_itl.clustering import forms, network
from kmnist_itl.clustering.labels import representatives
from kmnist_itl.reproduction import colab, experiments, measures, paper, results, rules

NAME = "explore.html"
TABLE = "table2_priors"
FORMS = "joined_forms"  # the table whose first run is the network that finds the forms
MODELS = {
    "none": "No prior",
    "gaussian": "Gaussian",
    "gaussian_mixture": "Mixture of ten",
    "swiss_roll": "Swiss roll",
}
DRAWN = "none"  # the model whose encoder is in the page
SHOWN = 2_000  # test images
COLUMNS = 50  # of images in the sprite
GREYS = 16  # of the test images, so that 2,000 of them take 0.4 MB
BITS = 7  # of a weight; with 8, five networks would take more than MOST_BYTES
MOST_ERROR = 3 / 255  # of a decoded pixel, on average
MOST_BYTES = 6_000_000
NEIGHBOURS = 10  # of k nearest neighbours, beside k-means
FOLDER = Path(__file__).resolve().parent


def main(arguments=None):
    """Write the page; returns 0, or 2 after an error, which is told in one line."""
    parser = argparse.ArgumentParser(description="Write the page to touch, from the kept runs of Table 2.")
    parser.add_argument("--profile", help=f"{', '.join(settings.PROFILES)}; default: quick")
    parser.add_argument("--dataset", help=f"{', '.join(settings.DATASETS)}; default: auto")
    given = parser.parse_args(arguments)
    try:
        parameters = settings.parameters(given.profile, given.dataset)
        file = write(parameters.profile, parameters.dataset)
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make explore: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    return 0


def write(profile, dataset):
    """Write the page of a settings.Profile and a data set's name, 'auto' as in `make figures`.

    The paper profile on KMNIST goes to docs/, every other combination to the folder of its figures. Where
    the runs are not kept here and a page stands already, all of it that needs no runs is renewed. Returns the
    page's Path.

    Raises:
        ValueError: a run or a table is missing, a decoder is too far from Keras', or the page too large.
        data.DataUnavailableError: the data set cannot be had.
        OSError: a file cannot be read or written.
    """
    loaded = data.load(dataset, limit=profile.train_images)
    folder = settings.figures_dir(loaded.name, profile)
    file = (FOLDER.parent if settings.is_the_papers(loaded.name, profile) else folder) / NAME
    notebooks = " ".join(f"notebooks/{experiments.table(name).notebook}.ipynb" for name in (TABLE, FORMS))
    again = f"PROFILE={profile.name} NOTEBOOKS='{notebooks}'"
    tables = results.read_tables(folder) if folder.is_dir() else {}
    if TABLE not in tables:
        raise ValueError(f"there is no {TABLE}.csv in {folder}. Run make figures {again} first.")
    described = {
        label: description
        for name in (TABLE, FORMS)
        for label, _, description in experiments.table(name).trainings(loaded.fingerprint, profile, range(1))
        if name == FORMS or label in MODELS
    }
    missing = [description.title for description in described.values() if not description.kept]
    if not missing:
        *runs, clusters = (description.run(loaded) for description in described.values())
        of_runs = contents(loaded, dict(zip(MODELS, runs, strict=True))) | {
            "forms": to_name(loaded, clusters)
        }
    elif file.is_file():
        of_runs = contents_of(file.read_text(encoding="utf-8"))
    else:
        raise ValueError(f"these runs are not kept: {'; '.join(missing)}. Run make train {again} first.")
    text = page({**of_runs, "scenes": scenes(), "seeds": seeds(tables[TABLE])})
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"{NAME} must have at most {MOST_BYTES:,} bytes; it has {len(text.encode()):,}.")
    files.write_whole(file, lambda beside: beside.write_text(text, encoding="utf-8"))
    return file


def page(shown):
    """The page as text: page.html with the files that it names between @@, and a dict that JSON can hold."""
    values = {
        "title": html.escape(shown["title"]),
        "project": colab.project_page(),
        "contents": json.dumps(shown, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/"),
    }

    def part(name):
        return values.get(name) or (FOLDER / name).read_text(encoding="utf-8").rstrip("\n")

    return re.sub("@@([a-z.]+)@@", lambda match: part(match[1]), (FOLDER / "page.html").read_text("utf-8"))


def contents_of(text):
    """The dict that a page, given as text, was made from; ValueError for a page that has none."""
    match = re.search('<script type="application/json" id="contents">(.*?)</script>', text, re.DOTALL)
    if not match:
        raise ValueError(f"the page must be one that make explore has written; got {text[:60]!r}.")
    return json.loads(match[1])


def contents(dataset, runs):
    """What the page shows of autoencoders, as what JSON can hold.

    `dataset` is a data.Dataset; `runs` maps the labels of MODELS to the training.Run of an autoencoder with a
    3-dimensional code. Raises ValueError if a quantized decoder is farther from Keras' than MOST_ERROR.
    """
    rng = np.random.default_rng(0)
    shown = rng.permutation(len(dataset.test))[:SHOWN]
    images, labels = dataset.test.images[shown], dataset.test.labels[shown]
    train_codes, codes = (
        {label: training.encode(run, split.images) for label, run in runs.items()}
        for split in (dataset.train, dataset.test)
    )
    points = np.concatenate([codes["swiss_roll"], measures.roll_walk(100).reshape(-1, 3)]).astype(np.float64)
    return {
        "title": dataset.title,
        "classes": [
            name if name == glyph else f"{name} {glyph}"
            for name, glyph in zip(dataset.class_names, dataset.glyphs, strict=True)
        ],
        "models": {
            label: {"title": title, "codes": as_base64(codes[label][shown])}
            | packed_decoder(runs[label], codes[label][shown])
            for label, title in MODELS.items()
        },
        "drawn": DRAWN,
        "encoder": pack(quantize(runs[DRAWN].model.get_layer("encoder").get_weights())),
        "bits": BITS,
        "box": np.stack([np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))]).tolist(),
        "roll": {"angles": priors.SwissRoll.angles, "heights": priors.SwissRoll.heights},
        "labels": labels.tolist(),
        "images": sprite(images),
        "columns": COLUMNS,
        "tour": representatives(images, labels)[:, 0].tolist(),
        "kmeans": {
            **cells(dataset, train_codes["swiss_roll"], codes["swiss_roll"], shown),
            "scores": {
                label: scores(dataset, train_codes[label], codes[label]) for label in ("none", "swiss_roll")
            },
        },
    }


def to_name(dataset, run):
    """The forms of all images, the largest first, as what JSON can hold; `run` is of a clustering network.

    Returns a dict: images, a sprite of each form's most typical image; labels, the classes of these [f];
    counts [f, classes], of the test images; sorted, how many images have a form. As in the rows of
    clustering_labels.csv that are called forms, all_images.
    """
    splits = dataset.train, dataset.validation, dataset.test
    features = np.concatenate([network.features(run, split.images) for split in splits])
    near = forms.nearest_neighbours(features, components=forms.COMPONENTS)
    form = forms.find_forms(near, shared=True)
    order = np.argsort(-np.bincount(form), kind="stable")
    typical = representatives(features, form)[order, 0]
    counts = np.zeros((len(order), len(dataset.class_names)), int)
    np.add.at(counts, (form[-len(dataset.test) :], dataset.test.labels), 1)
    return {
        "images": sprite(np.concatenate([split.images for split in splits])[typical]),
        "labels": np.concatenate([split.labels for split in splits])[typical].tolist(),
        "counts": counts[order].tolist(),
        "sorted": len(form),
    }


def packed_decoder(run, codes):
    """A decoder, packed, and the mean error of its pixels in grey levels, on codes and between them."""
    layers = quantize(run.model.get_layer("decoder").get_weights())
    between = (codes + np.roll(codes, 1, axis=0)) / 2
    compared = np.concatenate([codes, between]).astype(np.float32)
    error = float(np.abs(decode(layers, compared) - training.decode(run, compared)).mean())
    if error > MOST_ERROR:
        raise ValueError(f"decoded pixels must be within {MOST_ERROR:.4f} of Keras'; got {error:.4f}.")
    return {"decoder": pack(layers), "error": round(255 * error, 3)}


def quantize(weights):
    """The weights of a network in whole numbers of BITS bits, with a scale for each input of a layer.

    `weights` are a kernel [inputs, outputs] and a bias [outputs] for each layer, as Keras' get_weights gives
    them. Returns a list of dicts: kernel, int8 [inputs, outputs] from -63 to 63; scale, float32 [inputs];
    bias, float32 [outputs]. A weight is kernel[i, o] * scale[i]. The few weights beside the code, by which
    large numbers are multiplied, stay float32.
    """
    largest = 2 ** (BITS - 1) - 1
    layers = []
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        scale = np.ones(len(kernel), np.float32)
        if experiments.LATENT_DIM not in kernel.shape:
            scale = np.maximum(np.abs(kernel).max(axis=1) / largest, np.finfo(np.float32).tiny)
            kernel = np.rint(kernel / scale[:, None]).astype(np.int8)
        layers.append({"kernel": kernel, "scale": scale, "bias": bias})
    return layers


def decode(layers, codes):
    """The images, float64 [n, 784] in [0, 1], that a decoder from `quantize` makes of codes [n, 3]."""
    values = np.asarray(codes, dtype=np.float64)
    for number, layer in enumerate(layers, 1):
        values = (values * layer["scale"]) @ layer["kernel"] + layer["bias"]
        values = np.maximum(values, 0) if number < len(layers) else special.expit(values)
    return values


def pack(layers):
    """A network from `quantize` as what JSON can hold; kernels of whole numbers are deflated."""

    def packed(kernel):
        whole = kernel.dtype == np.int8
        return (
            {"deflated": as_text(zlib.compress(kernel.tobytes(), 9))}
            if whole
            else {"kernel": as_base64(kernel)}
        )

    return [
        {"scale": as_base64(layer["scale"]), "bias": as_base64(layer["bias"]), **packed(layer["kernel"])}
        for layer in layers
    ]


def as_text(some_bytes):
    """Bytes in base64."""
    return base64.b64encode(some_bytes).decode()


def as_base64(values):
    """Numbers of any shape as text that numbers.js reads as float32."""
    return as_text(np.ascontiguousarray(values, dtype="<f4").tobytes())


def sprite(images):
    """Images [n, 784] side by side in one picture of 16 greys, as an address that holds it."""
    padded = np.pad(images, ((0, -len(images) % COLUMNS), (0, 0))).reshape(-1, COLUMNS, 28, 28)
    sheet = padded.transpose(0, 2, 1, 3).reshape(-1, COLUMNS * 28)
    grey = (np.rint(sheet * (GREYS - 1)) * (255 // (GREYS - 1))).astype(np.uint8)
    picture = io.BytesIO()
    Image.fromarray(grey).save(picture, "WEBP", lossless=True, quality=100, method=6)
    return "data:image/webp;base64," + as_text(picture.getvalue())


def scenes():
    """The clouds of the kernel-size slider: a list of dicts of name, codes [120, 2] and prior [120, 2]."""
    rng = np.random.default_rng(0)

    def gaussian(x, y, scale=1.0):
        return rng.normal(size=(120, 2)) * scale + (x, y)

    angles = rng.uniform(1.5 * np.pi, 4.5 * np.pi, 120)
    roll = np.stack([angles * np.cos(angles), angles * np.sin(angles)], axis=1) / 2
    two = np.concatenate([gaussian(-4, 2, 0.7)[:60], gaussian(4, 2, 0.7)[60:]])
    clouds = {
        "A Gaussian and a roll": (gaussian(1, 0), roll),
        "A Gaussian and two Gaussians": (gaussian(0, -3), two),
        "Two Gaussians far apart": (gaussian(-6, -3, 0.8), gaussian(6, 3, 0.8)),
    }
    return [
        {"name": name, "codes": codes.round(3).tolist(), "prior": prior.round(3).tolist()}
        for name, (codes, prior) in clouds.items()
    ]


def seeds(table):
    """Table 2 seed by seed.

    `table` is a DataFrame with prior, seed and accuracy. Returns a dict: margin, the smallest gain that
    matters; priors, dicts in the paper's order, best first: the paper's number, the runs, their mean with its
    95% interval (None for one run), and the gain over no prior with Dunnett's interval and the answer of
    rules.py (None where a prior has one run only).
    """
    accuracy = {prior: table[table.prior == prior].sort_values("seed").accuracy for prior in paper.TABLE_2}
    gains = rules.effects(accuracy, "none")

    def numbers(effect):
        values = {name: getattr(effect, name) for name in ("mean", "low", "high")}
        return {name: None if np.isnan(value) else round(value, 5) for name, value in values.items()}

    rows = []
    for prior in sorted(paper.TABLE_2, key=paper.TABLE_2.get, reverse=True):
        row = {"prior": prior, "title": MODELS[prior], "paper": paper.TABLE_2[prior], "gain": None}
        row |= {"runs": accuracy[prior].tolist(), **numbers(rules.effect(accuracy[prior]))}
        if prior in gains and not np.isnan(gains[prior].low):
            row["gain"] = numbers(gains[prior]) | {"answer": gains[prior].answer(rules.CLUSTERS_MARGIN)}
        rows.append(row)
    return {"margin": rules.CLUSTERS_MARGIN, "priors": rows}


def cells(dataset, train_codes, codes, shown):
    """k-means on the codes of the swiss roll, fitted on the training images as in Table 2.

    Args:
        dataset: data.Dataset.
        train_codes, codes: float32 [n, 3], of the training and of the test images.
        shown: ints, the test images that are shown.

    Returns:
        A dict: centres [10, 3]; classes, of each cluster by Hungarian matching on all test images; clusters,
        of the shown images; cut, how many clusters are in two pieces or more on the roll at some height.
    """
    fitted = clustering.fit_kmeans(train_codes, clusters=len(dataset.class_names))
    predicted = fitted.predict(codes)
    roll = priors.SwissRoll()
    angles, heights = np.linspace(*roll.angles, 600), np.linspace(*roll.heights, 43)
    surface = roll.surface(np.tile(angles, len(heights)), np.repeat(heights, len(angles)))
    of_roll = fitted.predict(np.asarray(surface)).reshape(len(heights), -1)
    begins = np.diff(of_roll, axis=1, prepend=-1) != 0  # where the roll enters another cell
    pieces = [((of_roll == cell) & begins).sum(axis=1).max() for cell in range(fitted.n_clusters)]
    return {
        "centres": fitted.cluster_centers_.astype(float).round(4).tolist(),
        "classes": clustering.match_clusters(dataset.test.labels, predicted).tolist(),
        "clusters": predicted[shown].tolist(),
        "cut": int(np.sum(np.array(pieces) > 1)),
    }


def scores(dataset, train_codes, codes):
    """How well codes of the test images tell the classes, by k-means and by neighbours.

    Returns a dict of accuracies: kmeans, as in Table 2; nearest, of the vote of the NEIGHBOURS nearest
    training images, which asks only whether neighbours are of one class; unrolled, of k-means on arc length
    and height, where no cell can reach from sheet to sheet.
    """
    vote = KNeighborsClassifier(NEIGHBOURS).fit(train_codes, dataset.train.labels)
    return {
        "kmeans": measures.cluster_codes(dataset, train_codes, codes)[0]["accuracy"],
        "nearest": float(vote.score(codes, dataset.test.labels)),
        "unrolled": measures.cluster_codes(dataset, unroll(train_codes), unroll(codes))[0]["accuracy"],
    }


def unroll(codes):
    """Arc length and height, float64 [n, 2], of the swiss roll's points that are nearest to codes [n, 3]."""
    roll = priors.SwissRoll()
    angles = np.linspace(*roll.angles, 1_000)
    length = (angles * np.sqrt(1 + angles**2) + np.arcsinh(angles)) / 2
    spiral = np.stack([angles * np.cos(angles), angles * np.sin(angles)], axis=1)
    _, nearest = KDTree(spiral).query(codes[:, [0, 2]])
    return np.stack([length[nearest], np.clip(codes[:, 1], *roll.heights)], axis=1)


if __name__ == "__main__":
    sys.exit(main())
