"""The one list of experiments: which table is made of which trainings, and which notebook shows it.

To add an experiment is one entry in TABLES and one notebook that asks for it. From the list come the plan
(`make plan`, `make train`), the tables' files, the order in which notebooks run and the claims' notebooks.
It is data: nothing here needs TensorFlow.
"""

from dataclasses import dataclass, field, replace

from kmnist_itl.reproduction import paper

LATENT_DIM = 3
SIXTH_LAMBDA = 100  # of Fig 7's sixth panel, which the paper does not name

# A training is described by the arguments of its function in training.py ("autoencoder" if no other `kind`
# is named). A prior is named as `priors.get` knows it, with its arguments.
_GAUSSIAN = ("gaussian", {"dim": LATENT_DIM})
_MIXTURE = ("gaussian_mixture", {"components": 10, "radius": 5.0})  # the paper gives neither means nor spread
_ROLL = ("swiss_roll", {})
_BEST_MLP = {"batch_norm": True, "dropout": 0.25}


def _codes(prior=None, sigma=None, weight=None, **changes):
    """An autoencoder with 3 codes."""
    how = {"prior": prior, "sigma": sigma, "weight": weight} if prior else {}
    return {"latent_dim": LATENT_DIM, **how, **changes}


def _mlp(latent_dim, **changes):
    """The MLP on the codes of an autoencoder, or on pixels if latent_dim is None."""
    encoder = latent_dim and {"latent_dim": latent_dim}
    return {"kind": "classifier", "encoder": encoder, **changes}


KERNEL_SIZES = {sigma: _codes(_ROLL, sigma, paper.FIG_5_LAMBDA) for sigma in paper.FIG_5_SIGMAS}
LAMBDAS = {
    weight: _codes(_ROLL, paper.FIG_7_SIGMA, weight) for weight in (*paper.FIG_7_LAMBDAS, SIXTH_LAMBDA)
}
TABLE_2 = {
    "none": _codes(),
    "gaussian": _codes(_GAUSSIAN, paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA),
    "gaussian_mixture": _codes(_MIXTURE, paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA),
    # The paper does not name the roll's settings in Table 2; these are those of section III.B.b.
    "swiss_roll": LAMBDAS[paper.BEST_LAMBDA],
}


def setting_name(kind, sigma, weight):
    """How notebook 10 names a prior with its kernel size and lambda."""
    return f"{'mixture' if kind == 'gaussian_mixture' else kind}, σ = {sigma:g}, λ = {weight:g}"


# Around Table 2's sigma = 100 and lambda = 0.1: kernels that see the priors' shape, and more weight.
GRID = {"none": TABLE_2["none"]} | {
    setting_name(kind, sigma, weight): {**TABLE_2[kind], "sigma": sigma, "weight": weight}
    for kind in ("gaussian", "gaussian_mixture")
    for sigma, weight in ((paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA), (10, 0.1), (10, 1), (1, 0.1), (1, 1))
}
# What the paper's words can mean: our sigma and lambda for the paper's.
READINGS = {
    "as we read it": lambda sigma, weight: (sigma, weight),
    "σ is a variance": lambda sigma, weight: (sigma**0.5, weight),
    "the error is summed over pixels": lambda sigma, weight: (sigma, weight / 784),
    "a variance and a sum": lambda sigma, weight: (sigma**0.5, weight / 784),
}


def _read(setting, reading):
    """A setting as the paper writes it, as our arguments under a reading."""
    if "sigma" not in setting:
        return setting
    sigma, weight = reading(setting["sigma"], setting["weight"])
    return {**setting, "sigma": sigma, "weight": weight}


READ = {
    (name, what): _read(setting, reading)
    for name, reading in READINGS.items()
    for what, setting in {
        **{f"Table 2, {prior}": TABLE_2[prior] for prior in TABLE_2},
        **{f"Fig 5, {sigma}": setting for sigma, setting in KERNEL_SIZES.items()},
        **{f"Fig 7, {weight:g}": LAMBDAS[weight] for weight in (0.01, 10)},
    }.items()
}
# Of the grid, those whose gradients and codes are followed through training.
WATCHED = tuple(setting_name("gaussian", sigma, 0.1) for sigma in (paper.TABLE_2_SIGMA, 1))


def _stages(setting):
    """A setting untrained, after half its epochs and at the end; without a prior the middle is left out."""
    shares = {"start": 0, "middle": 0.5, "end": 1}
    return {
        (setting, stage): {**GRID[setting], "share": share}
        for stage, share in shares.items()
        if stage != "middle" or setting != "none"
    }


@dataclass(frozen=True, eq=False)
class Table:
    """One table of measurements: figures/<name>.csv has a row for each training.

    `label` names what its settings differ in, a string or several; `settings` maps each label to the
    arguments of its training, which is repeated with every seed. `measures` are measures.MEASURES taken of
    the trained model, `of_encoder` those of the autoencoder whose codes a classifier sees. A figure shows the
    model of the first seed of the labels in `drawn`, and the encoder of those in `drawn_encoders`.
    `first_seed_only` are labels that are not repeated; `seeds` is how many seeds the table always has. Where
    `profiles` are named, other profiles train nothing for it.
    `reads` are the tables that its notebook reads: it runs after theirs. A table without settings has rows
    that its notebook makes itself.
    """

    name: str
    notebook: str
    label: str | tuple
    settings: dict = field(default_factory=dict)
    measures: tuple = ()
    of_encoder: tuple = ()
    drawn: tuple = ()
    drawn_encoders: tuple = ()
    first_seed_only: tuple = ()
    seeds: int | None = None
    profiles: tuple = ()
    reads: tuple = ()

    @property
    def labels(self):
        """The names of the label's parts, as a tuple."""
        return (self.label,) if isinstance(self.label, str) else self.label

    def trainings(self, fingerprint, profile, seeds):
        """(label, seed, store.Training) of each row, seed by seed.

        Args:
            fingerprint: data.Dataset.fingerprint of the data.
            profile: settings.Profile.
            seeds: the seeds, as in settings.Parameters.
        """
        if self.profiles and profile.name not in self.profiles:
            return
        for seed in range(self.seeds) if self.seeds else seeds:
            for label, how in self.settings.items():
                if seed == seeds[0] or label not in self.first_seed_only:
                    yield label, seed, _training(how, fingerprint, profile, seed)


def _training(how, fingerprint, profile, seed):
    from kmnist_itl.reproduction.store import Training

    how = {"kind": "autoencoder", "encoder": None, "share": 1, "seed": seed, **how}
    kind, encoder, share, seed = (how.pop(name) for name in ("kind", "encoder", "share", "seed"))
    if share < 1:
        profile = replace(profile, epochs=max(1, int(share * profile.epochs)) if share else 0)
    if encoder:
        encoder = _training(encoder, fingerprint, profile, seed)
    return Training(kind, fingerprint, profile, seed, how, encoder)


_OF_TRAININGS = (
    Table(
        "table1_bottleneck_size",
        "02_bottleneck_size",
        "latent_dim",
        {latent_dim: _mlp(latent_dim) for latent_dim in paper.TABLE_1},
        ("classes",),
        of_encoder=("reconstruction",),
        drawn_encoders=(min(paper.TABLE_1), max(paper.TABLE_1)),
    ),
    Table(
        "table1_classifier_check",
        "02_bottleneck_size",
        "classifier",
        {
            label: {**_mlp(30), "encoder": {"latent_dim": 30, "seed": 0}, **changes}
            for label, changes in {
                "as in Table 1": {},
                "early stopping on validation accuracy": {"monitor": "val_accuracy"},
                "batch normalization, 25% dropout": _BEST_MLP,
            }.items()
        },
        ("classes",),
        seeds=3,
    ),
    Table(
        "fig03_classify_codes",
        "03_classify_codes",
        ("inputs", "batch_norm"),
        {
            (inputs, bool(changes)): _mlp(latent_dim, **changes)
            for inputs, latent_dim in (("30 codes", 30), ("784 pixels", None))
            for changes in ({}, _BEST_MLP)
        },
        ("classes",),
        drawn=(("30 codes", True),),
    ),
    Table(
        "fig04_cnn",
        "04_cnn_baseline",
        "model",
        {"CNN": {"kind": "cnn"}, "MLP on 30 codes": _mlp(30, **_BEST_MLP)},
        ("classes",),
        drawn=("CNN",),
    ),
    Table(
        "fig05_kernel_size",
        "06_swiss_roll_kernel_size",
        "sigma",
        KERNEL_SIZES,
        ("clusters", "shape", "plateau"),
        drawn=tuple(KERNEL_SIZES),
    ),
    Table(
        "fig07_lambda",
        "07_swiss_roll_lambda",
        "lambda",
        LAMBDAS,
        ("clusters",),
        drawn=tuple(LAMBDAS),
    ),
    Table(
        "fig08_walk",
        "07_swiss_roll_lambda",
        "lambda",
        {0: TABLE_2["none"], **LAMBDAS},
        ("walk",),
        first_seed_only=tuple(weight for weight in LAMBDAS if weight != paper.BEST_LAMBDA),
    ),
    Table(
        "table2_priors",
        "08_priors_and_clustering",
        "prior",
        TABLE_2 | {"30 codes": {"latent_dim": 30}},
        ("clusters",),
        drawn=("none", "gaussian", "gaussian_mixture"),
        first_seed_only=("30 codes",),
    ),
    # A table by itself, because these measures are not known of all of Table 2's runs.
    Table(
        "fig09_extents",
        "08_priors_and_clustering",
        "prior",
        {prior: TABLE_2[prior] for prior in paper.FIG_9_SPANS},
        ("reach", "shape"),
    ),
    Table(
        "table3_cost",
        "09_computational_cost",
        "autoencoder",
        {"without CSD": TABLE_2["none"], "with CSD": TABLE_2["gaussian"]},
        (),
    ),
    Table(
        "prior_gradients",
        "10_does_a_prior_help",
        ("setting", "stage"),
        {label: how for setting in ("none", *WATCHED) for label, how in _stages(setting).items()},
        ("gradients",),
    ),
    Table("prior_grid", "10_does_a_prior_help", "setting", GRID, ("clusters",)),
    Table(
        "audit_readings",
        "11_verdicts",
        ("reading", "what"),
        READ,
        ("clusters", "shape", "reach", "plateau"),
        seeds=1,
        profiles=("paper",),
    ),
    # The other candidate for Table 2's roll: the Gaussians' sigma and lambda.
    Table(
        "audit_wide_roll",
        "11_verdicts",
        "prior",
        {"swiss_roll": _codes(_ROLL, paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA)},
        ("clusters",),
    ),
    Table(
        "audit_loss",
        "11_verdicts",
        "loss",
        {loss: _codes(loss=loss) for loss in ("mean_squared_error", "mean_absolute_error")},
        ("loss",),
        drawn=("mean_squared_error", "mean_absolute_error"),
    ),
)
# What the paper does not do.
_BEYOND_THE_PAPER = (
    Table(
        "joined_forms",
        "12_beyond_the_prior",
        "method",
        {"cs_qmi": {"kind": "clustering"}},
        ("joined_forms",),
        drawn=("cs_qmi",),
    ),
)
# Half of what augmentation.RandomHandwriting does by default.
_HALF = {"rotation": 7.5, "shift": 1, "zoom": 0.075, "shear": 0.125, "elastic": 0.45, "stroke": 0.4}
# What is changed of the clustering network's training, one thing at a time, with fewer images.
ABLATION_IMAGES = 12_000
ABLATION = {
    "nothing": {},
    "Shannon's information": {"information": "shannon"},
    "Euclidean information": {"information": "euclidean"},
    "each image with itself": {"neighbours": 0},
    "3 neighbours": {"neighbours": 3},
    "30 neighbours": {"neighbours": 30},
    "five heads of ten": {"heads": (10,) * 5},
    "half the handwriting": {"handwriting": _HALF},
    "no handwriting": {"handwriting": dict.fromkeys(_HALF, 0)},
    "batches of 200 pairs": {"batch": 200},
    "batches of 1,800 pairs": {"batch": 1_800},
    "no second round": {"form_epochs": 0},
}
# Of the methods in clustering_methods, those that see the features of our network.
ON_OUR_FEATURES = ("kmeans_of_features", "umap_of_features")
# Tables whose rows their notebooks make themselves.
TABLES = (
    *_OF_TRAININGS,
    *_BEYOND_THE_PAPER,
    Table("clustering_methods", "12_beyond_the_prior", "method", reads=("table2_priors",)),
    Table("clustering_digits", "12_beyond_the_prior", "method"),
    Table("clustering_ablation", "12_beyond_the_prior", "changed"),
    Table("table3_step_seconds", "09_computational_cost", "prior"),
    Table("verdicts", "11_verdicts", "claim", reads=tuple(table.name for table in _OF_TRAININGS)),
)

NOTEBOOKS = tuple(dict.fromkeys(table.notebook for table in (*_OF_TRAININGS, *_BEYOND_THE_PAPER)))


def table(name):
    """The Table of that name; ValueError if there is none."""
    for found in TABLES:
        if found.name == name:
            return found
    names = ", ".join(repr(each.name) for each in TABLES)
    raise ValueError(f"table must be one of {names}; got {name!r}. Add it to TABLES in experiments.py.")


def notebook_of(name):
    """The notebook, without .ipynb, that writes the table of that name; '-' if none does."""
    return next((each.notebook for each in TABLES if each.name == name), "-")


def reads(notebook):
    """The notebooks, as a set of names without .ipynb, whose tables a notebook reads."""
    names = {name for each in TABLES if each.notebook == notebook for name in each.reads}
    return {each.notebook for each in TABLES if each.name in names} - {notebook}
