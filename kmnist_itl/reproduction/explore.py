"""docs/explore.html, a page to touch: codes to turn, a kernel size to move, seeds to draw, k-means' cells.

It is one file that needs no network, no server and no library. The pictures are dots, lines and arrows on
plain canvases: 2,000 dots are sorted and drawn in a few milliseconds, also where a browser has no WebGL. The
smallest library that would turn them, regl (87 kB), asks for shaders, which are harder to read than the
twenty lines that project a point; three.js (2.1 MB as it comes) and plotly's 3-D part (1.8 MB) leave no room.

The page is made from the files in explore/, into which the data of kept runs are put: codes, images, the
decoder with weights of 12 bits, the rows of Table 2. Nothing is trained; where the runs are not kept, what
the page shows of them stays.
"""

import base64
import html
import io
import json
from pathlib import Path

import numpy as np

from kmnist_itl import clustering, data, files, priors, settings, training
from kmnist_itl.reproduction import experiments, measures, paper, results, rules

NAME = "explore.html"
TABLE = "table2_priors"
MODELS = {"none": "No prior", "gaussian": "Gaussian", "swiss_roll": "Swiss roll"}
PRIORS = {**MODELS, "gaussian_mixture": "Mixture of ten"}
SHOWN = 2_000  # test images
COLUMNS = 50  # of images in the sprite
GREYS = 16  # of the test images, so that 2,000 of them take 0.3 MB
BITS = 12  # of a weight
LARGEST_ERROR = 2 / 255  # of a decoded pixel
MOST_BYTES = 3_000_000
NEIGHBOURS = 10  # of k nearest neighbours, beside k-means
FOLDER = Path(__file__).with_suffix("")


def write(profile, dataset):
    """Write the page of a settings.Profile and a data set's name, 'auto' as in `make figures`.

    The paper's profile on KMNIST goes to docs/, every other combination to the folder of its figures. Where
    the runs are not kept here and a page stands already, its files and Table 2's numbers are renewed.

    Returns:
        Path of the page.

    Raises:
        ValueError: a run or a table is missing, the decoder is too far from Keras', or the page too large.
        data.DataUnavailableError: the data set cannot be had.
        OSError: a file cannot be read or written.
    """
    loaded = data.load(dataset, limit=profile.train_images)
    folder = settings.figures_dir(loaded.name, profile)
    file = path(profile, loaded.name)
    again = f"PROFILE={profile.name} NOTEBOOKS=notebooks/{experiments.notebook_of(TABLE)}.ipynb"
    tables = results.read_tables(folder)
    if TABLE not in tables:
        raise ValueError(f"there is no {TABLE}.csv in {folder}. Run make figures {again} first.")
    described = {
        label: run
        for label, _, run in experiments.table(TABLE).trainings(loaded.fingerprint, profile, range(1))
        if label in MODELS
    }
    missing = [run.title for run in described.values() if not run.kept]
    if not missing:
        runs = {label: run.run(loaded) for label, run in described.items()}
        found = contents(loaded, runs, tables[TABLE])
    elif file.is_file():
        found = contents_of(file.read_text(encoding="utf-8")) | {"seeds": seeds(tables[TABLE])}
    else:
        raise ValueError(f"these runs are not kept: {'; '.join(missing)}. Run make train {again} first.")
    text = page(found)
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"{NAME} must have at most {MOST_BYTES:,} bytes; it has {len(text.encode()):,}.")
    files.write_whole(file, lambda beside: beside.write_text(text, encoding="utf-8"))
    return file


def path(profile, dataset):
    """Where the page of a settings.Profile and a data set's name stands, as a Path."""
    in_place = settings.is_the_papers(dataset, profile)
    folder = settings.project_dir() / "docs" if in_place else settings.figures_dir(dataset, profile)
    return folder / NAME


def contents(dataset, runs, table):
    """All that the page shows, as what JSON can hold.

    Args:
        dataset: data.Dataset.
        runs: maps 'none', 'gaussian' and 'swiss_roll' to the training.Run of an autoencoder with 3 codes.
        table: DataFrame with prior, seed and accuracy of each run of Table 2.

    Raises:
        ValueError: the quantized decoder is farther from Keras' than LARGEST_ERROR.
    """
    rng = np.random.default_rng(0)
    shown = rng.permutation(len(dataset.test))[:SHOWN]
    codes = {label: training.encode(run, dataset.test.images) for label, run in runs.items()}
    box = bounds(codes["swiss_roll"])
    layers = quantize(runs["swiss_roll"].model.get_layer("decoder").get_weights())
    tried = _tried(codes["swiss_roll"], box, rng)
    error = largest_error(runs["swiss_roll"], layers, tried)
    if error > LARGEST_ERROR:
        raise ValueError(f"decoded pixels must be within {LARGEST_ERROR:.4f} of Keras'; got {error:.4f}.")
    return {
        "title": dataset.title,
        "classes": [
            name if name == glyph else f"{name} {glyph}"
            for name, glyph in zip(dataset.class_names, dataset.glyphs, strict=True)
        ],
        "models": {
            label: {"title": MODELS[label], "codes": as_base64(codes[label][shown], "<f4")}
            for label in MODELS
        },
        "box": box.tolist(),
        "roll": {"angles": priors.SwissRoll.angles, "heights": priors.SwissRoll.heights},
        "labels": dataset.test.labels[shown].tolist(),
        "images": _sprite(dataset.test.images[shown]),
        "columns": COLUMNS,
        "decoder": [
            {
                "inputs": len(layer["kernel"]),
                "outputs": len(layer["bias"]),
                "kernel": base64.b64encode(pack(layer["kernel"])).decode(),
                "scale": as_base64(layer["scale"], "<f4"),
                "bias": as_base64(layer["bias"], "<f4"),
            }
            for layer in layers
        ],
        "error": {"largest": 255 * error, "points": len(tried)},
        "scenes": scenes(),
        "seeds": seeds(table),
        "kmeans": {
            "shown": cells(dataset, runs["swiss_roll"], shown),
            "scores": {label: neighbours(dataset, runs[label]) for label in ("none", "swiss_roll")},
        },
    }


def page(found, name="explore"):
    """A page as text: the files <name>.html and <name>.js in explore/, with what they show put in.

    Args:
        found: a dict with a title, of what JSON can hold: what `contents` returns.
        name: 'explore', or 'roll' for the figure of interactive.py.
    """

    def read(file):
        return (FOLDER / file).read_text(encoding="utf-8")

    inside = json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    parts = {
        "END": read("end.html").rstrip("\n"),  # first: the scripts and contents go into it
        "STYLE": read("explore.css"),
        "NUMBERS": read("numbers.js"),
        "DRAWING": read("drawing.js"),
        "SCRIPT": read(f"{name}.js"),
        "CONTENTS": inside,
    }
    text = read(f"{name}.html").replace("@@TITLE@@", html.escape(found["title"]))
    for part, its_text in parts.items():
        text = text.replace(f"@@{part}@@", its_text, 1)
    return text


def contents_of(text):
    """What `contents` returned when a page, given as text, was made.

    Raises ValueError for a page that has no contents.
    """
    _, begin, rest = text.partition('<script type="application/json" id="contents">')
    if not begin:
        raise ValueError(f"the page must be one that make explore has written; got {text[:60]!r}.")
    return json.loads(rest.partition("</script>")[0])


def quantize(weights):
    """The weights of a decoder in whole numbers of 12 bits, with a scale for each input of a layer.

    Args:
        weights: as Keras' get_weights: a kernel [inputs, outputs] and a bias [outputs] for each Dense layer.

    Returns:
        A list of dicts: kernel, int16 [inputs, outputs] from -2047 to 2047; scale, float32 [inputs]; bias,
        float32 [outputs]. A weight is kernel[i, o] * scale[i].
    """
    largest = 2 ** (BITS - 1) - 1
    layers = []
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        scale = (np.abs(kernel).max(axis=1) / largest).astype(np.float32)
        whole = np.rint(kernel / np.where(scale > 0, scale, 1)[:, None]).astype(np.int16)
        layers.append({"kernel": np.clip(whole, -largest, largest), "scale": scale, "bias": bias})
    return layers


def decode(layers, codes):
    """The images, float64 [n, 784] in [0, 1], that a decoder from `quantize` makes of codes [n, 3]."""
    values = np.asarray(codes, dtype=np.float64)
    for number, layer in enumerate(layers, 1):
        values = (values * layer["scale"]) @ layer["kernel"] + layer["bias"]
        values = np.maximum(values, 0) if number < len(layers) else 1 / (1 + np.exp(-values))
    return values


def largest_error(run, layers, codes):
    """How far a pixel from `quantize`'s decoder lies from Keras' own at most, over codes [n, 3]; a float."""
    return float(np.abs(decode(layers, codes) - training.decode(run, codes)).max())


def pack(whole):
    """Whole numbers from -2048 to 2047 of any shape as bytes, two of them in three; in order of the rows."""
    flat = np.asarray(whole, dtype=np.int64).ravel() & 0xFFF
    flat = np.pad(flat, (0, len(flat) % 2))
    pairs = flat[::2] | flat[1::2] << 12
    return np.stack([pairs & 0xFF, pairs >> 8 & 0xFF, pairs >> 16], axis=1).astype(np.uint8).tobytes()


def bounds(codes):
    """The lowest and highest corner, float64 [2, 3], of a box around codes [n, 3] and the swiss roll."""
    roll = np.reshape(measures.roll_walk(100), (-1, 3))
    both = np.concatenate([codes, roll]).astype(np.float64)
    return np.stack([np.floor(both.min(axis=0)), np.ceil(both.max(axis=0))])


def _tried(codes, box, rng):
    """Codes of all test images, points of the roll and of the box: where the decoders are compared."""
    roll = priors.SwissRoll().sample(SHOWN, seed=0)
    corners = np.stack(np.meshgrid(*box.T, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.concatenate([codes, roll, rng.uniform(*box, (SHOWN, 3)), corners]).astype(np.float32)


def scenes():
    """The clouds of the kernel-size slider: a list of dicts of name, codes [120, 2] and prior [120, 2]."""
    rng = np.random.default_rng(0)
    count = 120

    def blob(x, y, spread=1.0):
        return rng.normal(size=(count, 2)) * spread + (x, y)

    angles = rng.uniform(1.5 * np.pi, 4.5 * np.pi, count)
    roll = np.stack([angles * np.cos(angles), angles * np.sin(angles)], axis=1) / 2
    two = np.concatenate([blob(-4, 2, 0.7)[: count // 2], blob(4, 2, 0.7)[count // 2 :]])
    named = {
        "A blob and a roll": (blob(1, 0), roll),
        "A blob and two blobs": (blob(0, -3), two),
        "Two blobs far apart": (blob(-6, -3, 0.8), blob(6, 3, 0.8)),
    }
    return [
        {"name": name, "codes": codes.round(3).tolist(), "prior": prior.round(3).tolist()}
        for name, (codes, prior) in named.items()
    ]


def seeds(table):
    """Table 2 seed by seed: for each prior its runs, their mean, its interval, and the paper's number.

    Args:
        table: DataFrame with prior, seed and accuracy.

    Returns:
        A list of dicts in the paper's order, best first. `low` and `high` bound the 95% interval of the mean,
        `apart` is the mean minus that of no prior with its own interval; None where a mean is of one run.
    """
    accuracy = {
        prior: rows.sort_values("seed").accuracy.tolist()
        for prior, rows in table.groupby("prior")
        if prior in paper.TABLE_2
    }
    apart = rules.apart(accuracy, "none")
    listed = []
    for prior in sorted(accuracy, key=lambda prior: -paper.TABLE_2[prior]):
        found = rules.estimate(accuracy[prior])
        row = {"prior": prior, "title": PRIORS[prior], "paper": paper.TABLE_2[prior]}
        row |= {"runs": accuracy[prior], "mean": found.mean, "low": None, "high": None, "apart": None}
        if found.known:
            row |= {"low": found.low, "high": found.high}
        if prior in apart and apart[prior][0].known:
            difference, p, side = apart[prior]
            row["apart"] = {
                "mean": difference.mean,
                "low": difference.low,
                "high": difference.high,
                "p": p,
                "side": side,
            }
        listed.append(row)
    return listed


def cells(dataset, run, shown):
    """k-means on an autoencoder's codes, fitted on the training images as in Table 2.

    Args:
        dataset: data.Dataset.
        run: training.Run of the autoencoder with the swiss roll.
        shown: ints [n], the test images that are shown.

    Returns:
        A dict: centres [10, 3]; classes, the class that each cluster is matched to on all test images; found,
        the cluster of each shown image; cut, of how many clusters a cut across the roll at some height
        has two pieces or more.
    """
    train, test = (training.encode(run, split.images) for split in (dataset.train, dataset.test))
    fitted = clustering.fit_kmeans(train, clusters=len(dataset.class_names))
    found = fitted.predict(test)
    roll = priors.SwissRoll()
    angles, heights = np.linspace(*roll.angles, 600), np.linspace(*roll.heights, 43)
    surface = roll.surface(np.tile(angles, len(heights)), np.repeat(heights, len(angles)))
    of_roll = fitted.predict(np.asarray(surface)).reshape(len(heights), -1)
    begins = np.diff(of_roll, axis=1, prepend=-1) != 0  # where the roll enters another cell
    pieces = [((of_roll == cell) & begins).sum(axis=1).max() for cell in range(fitted.n_clusters)]
    return {
        "centres": fitted.cluster_centers_.astype(float).round(4).tolist(),
        "classes": clustering.match_clusters(dataset.test.labels, found).tolist(),
        "found": found[shown].tolist(),
        "cut": int(np.sum(np.array(pieces) > 1)),
    }


def neighbours(dataset, run):
    """How well an autoencoder's codes of the test images tell the classes, by k-means and by neighbours.

    Returns:
        A dict of accuracies: kmeans, as in Table 2; nearest, of the vote of the NEIGHBOURS nearest training
        images, which asks only whether neighbours are of one class; unrolled, of k-means on the codes' places
        on the roll (arc length and height), where no cell can reach from sheet to sheet.
    """
    from sklearn.neighbors import KNeighborsClassifier

    train, test = (training.encode(run, split.images) for split in (dataset.train, dataset.test))
    vote = KNeighborsClassifier(NEIGHBOURS).fit(train, dataset.train.labels)
    kmeans, _ = measures.cluster_codes(dataset, train, test)
    unrolled, _ = measures.cluster_codes(dataset, unroll(train), unroll(test))
    return {
        "kmeans": kmeans["accuracy"],
        "nearest": float(vote.score(test, dataset.test.labels)),
        "unrolled": unrolled["accuracy"],
    }


def unroll(codes):
    """Arc length and height, float64 [n, 2], of the swiss roll's points that are nearest to codes [n, 3]."""
    roll = priors.SwissRoll()
    angles = np.linspace(*roll.angles, 1_000)
    length = (angles * np.sqrt(1 + angles**2) + np.arcsinh(angles)) / 2
    spiral = np.stack([angles * np.cos(angles), angles * np.sin(angles)], axis=1)
    nearest = np.empty(len(codes), dtype=int)
    for start in range(0, len(codes), settings.BATCH_SIZE):
        part = slice(start, start + settings.BATCH_SIZE)
        apart = codes[part][:, None, [0, 2]] - spiral
        nearest[part] = np.square(apart).sum(axis=-1).argmin(axis=1)
    return np.stack([length[nearest], np.clip(codes[:, 1], *roll.heights)], axis=1)


def as_base64(values, dtype):
    """Numbers of any shape as text that numbers.js reads; dtype '<f4' or 'u1'."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()


def _sprite(images):
    """Images [n, 784] side by side in one picture of 16 greys, as an address that holds it."""
    from PIL import Image

    rows = -(-len(images) // COLUMNS)
    whole = np.zeros((rows * COLUMNS, 28, 28))
    whole[: len(images)] = np.reshape(images, (-1, 28, 28))
    sheet = whole.reshape(rows, COLUMNS, 28, 28).transpose(0, 2, 1, 3).reshape(rows * 28, COLUMNS * 28)
    step = 255 // (GREYS - 1)
    picture = io.BytesIO()
    grey = (np.rint(sheet * (GREYS - 1)) * step).astype(np.uint8)
    Image.fromarray(grey).save(picture, "WEBP", lossless=True, quality=100, method=6)
    return "data:image/webp;base64," + base64.b64encode(picture.getvalue()).decode()
