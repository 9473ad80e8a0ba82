"""The one list of experiments: which table is made of which trainings, and which notebook shows it.

To add an experiment is one entry in TABLES and one notebook that asks for it.
"""

from dataclasses import dataclass, field
from functools import partial

from kmnist_itl import priors
from kmnist_itl.reproduction import paper
from kmnist_itl.reproduction.trainings import CNN, Autoencoder, Classifier, Clustering
from kmnist_itl.settings import check_choice

LATENT_DIM = 3
SIXTH_LAMBDA = 100  # of Fig 7's sixth panel, which the paper does not name

# A setting is a training without data, profile and seed; partial(setting, sigma=1) changes an argument.
_CODES = partial(Autoencoder, latent_dim=LATENT_DIM)
_GAUSSIAN = partial(_CODES, prior=priors.Gaussian(LATENT_DIM))
# The paper gives neither the means nor the scale of its mixture.
_MIXTURE = partial(_CODES, prior=priors.GaussianMixture(components=10, radius=5.0))
_ROLL = partial(_CODES, prior=priors.SwissRoll())
_BEST_MLP = {"batch_norm": True, "dropout": 0.25}

BOTTLENECKS = {latent_dim: partial(Classifier, latent_dim=latent_dim) for latent_dim in paper.TABLE_1}
KERNEL_SIZES = {sigma: partial(_ROLL, sigma=sigma, weight=paper.FIG_5_LAMBDA) for sigma in paper.FIG_5_SIGMAS}
LAMBDAS = {
    weight: partial(_ROLL, sigma=paper.FIG_7_SIGMA, weight=weight)
    for weight in (*paper.FIG_7_LAMBDAS, SIXTH_LAMBDA)
}
TABLE_2 = {
    "none": _CODES,
    "gaussian": partial(_GAUSSIAN, sigma=paper.TABLE_2_SIGMA, weight=paper.TABLE_2_LAMBDA),
    "gaussian_mixture": partial(_MIXTURE, sigma=paper.TABLE_2_SIGMA, weight=paper.TABLE_2_LAMBDA),
    # The paper does not name the roll's settings in Table 2; these are those of section III.B.b.
    "swiss_roll": LAMBDAS[paper.BEST_LAMBDA],
}


def setting_name(prior, sigma, weight):
    """How notebook 07 names a prior with its kernel size and lambda."""
    return f"{'mixture' if prior == 'gaussian_mixture' else prior}, σ = {sigma:.3g}, λ = {weight:g}"


# Around Table 2's sigma = 100 and lambda = 0.1: kernels that see the priors' shape, and larger lambdas. With
# sigma = sqrt(100 / 2) our kernel is exp(-d^2 / (2 sigma)) of the paper's sigma.
GRID = {"none": TABLE_2["none"]} | {
    setting_name(prior, sigma, weight): partial(TABLE_2[prior], sigma=sigma, weight=weight)
    for prior in ("gaussian", "gaussian_mixture")
    for sigma, weight in ((100, 0.1), (10, 0.1), (50**0.5, 0.1), (10, 1), (1, 0.1), (1, 1))
}
# What the paper's words can mean, by the exponent of its sigma and the divisor of its lambda.
INTERPRETATIONS = {
    "as we read it": (1, 1),
    "σ is a variance": (0.5, 1),
    "the error is summed over pixels": (1, 784),
    "a variance and a sum": (0.5, 784),
}


def _interpreted(setting, exponent, divisor):
    given = setting.keywords
    if "sigma" not in given:
        return setting
    return partial(setting, sigma=given["sigma"] ** exponent, weight=given["weight"] / divisor)


INTERPRETED = {
    (name, what): _interpreted(setting, *interpretation)
    for name, interpretation in INTERPRETATIONS.items()
    for what, setting in (
        *((f"Table 2, {prior}", setting) for prior, setting in TABLE_2.items()),
        *((f"Fig 5, {sigma}", setting) for sigma, setting in KERNEL_SIZES.items()),
        *((f"Fig 7, {weight:g}", LAMBDAS[weight]) for weight in (0.01, 10)),
    )
}
_OF_SEED_0 = partial(Classifier, latent_dim=30, encoder_seed=0)
CHECKS = {
    "as in Table 1": _OF_SEED_0,
    "early stopping on validation accuracy": partial(_OF_SEED_0, monitor="val_accuracy"),
    "batch normalization, 25% dropout": partial(_OF_SEED_0, **_BEST_MLP),
}
CLASSIFIERS = {
    (inputs, bool(changes)): partial(Classifier, latent_dim=latent_dim, **changes)
    for inputs, latent_dim in (("30 codes", 30), ("784 pixels", None))
    for changes in ({}, _BEST_MLP)
}
BASELINES = {"CNN": CNN, "MLP on 30 codes": partial(Classifier, latent_dim=30, **_BEST_MLP)}
LOSSES = {loss: partial(_CODES, loss=loss) for loss in ("mean_squared_error", "mean_absolute_error")}
# Of the grid, those whose gradients and codes are followed through training: a wide and a narrow kernel.
WATCHED = tuple(setting_name("gaussian", sigma, 0.1) for sigma in (paper.TABLE_2_SIGMA, 1))
STAGES = {
    (name, stage): partial(GRID[name], share=share)
    for name in ("none", *WATCHED)
    for stage, share in (("start", 0), ("middle", 0.5), ("end", 1))
    if (name, stage) != ("none", "middle")
}


@dataclass(frozen=True, eq=False)
class Table:
    """One table of measurements: figures/<name>.csv has a row for each training.

    `label` names what its settings differ in, a string or several; `settings` maps a label to its setting,
    which is repeated with every seed, or with so many `seeds`; without settings the notebook makes the rows.
    `measures` are measures.MEASURES taken of the trained model, `of_encoder` those of the autoencoder whose
    codes a classifier sees. A figure shows the model of the first seed of the labels in `drawn`; those in
    `first_seed_only` are not repeated. Profiles other than `profiles`, if any, train nothing. `reads` says
    that the notebook reads the tables of others, and so runs after them.
    """

    name: str
    notebook: str
    label: str | tuple
    settings: dict = field(default_factory=dict)
    measures: tuple = ()
    of_encoder: tuple = ()
    drawn: tuple = ()
    first_seed_only: tuple = ()
    seeds: int | None = None
    profiles: tuple = ()
    reads: bool = False

    @property
    def labels(self):
        """The names of the label's parts, as a tuple."""
        return (self.label,) if isinstance(self.label, str) else self.label

    def parts(self, training):
        """What a training's row is measured of: (column of its key, runs.Training, names of measures)."""
        yield "run", training, self.measures
        if self.of_encoder:
            yield "encoder", training.encoder, self.of_encoder

    def trainings(self, fingerprint, profile, seeds):
        """(label, seed, runs.Training) of each row, seed by seed; `fingerprint` is that of the data."""
        if self.profiles and profile.name not in self.profiles:
            return
        for seed in range(self.seeds) if self.seeds else seeds:
            for label, setting in self.settings.items():
                if seed == seeds[0] or label not in self.first_seed_only:
                    yield label, seed, setting(fingerprint=fingerprint, profile=profile, seed=seed)


TABLES = (
    Table("table1_bottleneck_size", "02_bottleneck_size", "latent_dim", BOTTLENECKS, ("classes",),
        of_encoder=("reconstruction",), drawn=(min(BOTTLENECKS), max(BOTTLENECKS))),
    Table("table1_classifier_check", "02_bottleneck_size", "classifier", CHECKS, ("classes",), seeds=3),
    Table("fig03_classify_codes", "03_classifiers", ("inputs", "batch_norm"), CLASSIFIERS, ("classes",),
        drawn=(("30 codes", True),)),
    Table("fig04_cnn", "03_classifiers", "model", BASELINES, ("classes",), drawn=("CNN",)),
    Table("fig05_kernel_size", "05_swiss_roll_kernel_size", "sigma", KERNEL_SIZES,
        ("clusters", "shape", "plateau"), drawn=tuple(KERNEL_SIZES)),
    Table("fig07_lambda", "06_swiss_roll_lambda", "lambda", LAMBDAS, ("clusters",), drawn=tuple(LAMBDAS)),
    Table("fig08_walk", "06_swiss_roll_lambda", "lambda", {0: TABLE_2["none"], **LAMBDAS}, ("walk",),
        first_seed_only=tuple(weight for weight in LAMBDAS if weight != paper.BEST_LAMBDA)),
    Table("table2_priors", "07_priors_and_clustering", "prior", TABLE_2, ("clusters",),
        drawn=("none", "gaussian", "gaussian_mixture")),
    # A table by itself, because not all of Table 2's runs have these measures.
    Table("fig09_extents", "07_priors_and_clustering", "prior",
        {prior: TABLE_2[prior] for prior in paper.FIG_9_SPANS}, ("reach", "shape")),
    Table("table3_cost", "08_computational_cost", "autoencoder",
        {"without CSD": TABLE_2["none"], "with CSD": TABLE_2["gaussian"]}),
    Table("table3_step_seconds", "08_computational_cost", "prior"),
    Table("prior_gradients", "07_priors_and_clustering", ("setting", "stage"), STAGES, ("gradients",)),
    Table("prior_grid", "07_priors_and_clustering", "setting", GRID, ("clusters",)),
    Table("audit_readings", "12_what_the_paper_leaves_open", ("reading", "what"), INTERPRETED,
        ("clusters", "shape", "reach", "plateau"), seeds=1, profiles=("paper",)),
    # The alternative for Table 2's roll: the Gaussians' sigma and lambda.
    Table("audit_wide_roll", "12_what_the_paper_leaves_open", "prior",
        {"swiss_roll": partial(_ROLL, sigma=paper.TABLE_2_SIGMA, weight=paper.TABLE_2_LAMBDA)},
        ("clusters",), reads=True),
    Table("audit_loss", "12_what_the_paper_leaves_open", "loss", LOSSES, ("loss",), drawn=tuple(LOSSES)),
    Table("verdicts", "09_verdicts", "claim", reads=True),
    # What the paper does not do.
    Table("joined_forms", "10_beyond_the_prior", "method", {"cs_qmi": partial(Clustering, changes={})},
        ("joined_forms",), drawn=("cs_qmi",)),
    Table("clustering_methods", "10_beyond_the_prior", "method", reads=True),
    Table("clustering_labels", "10_beyond_the_prior", ("method", "protocol", "labels")),
    Table("clustering_frozen", "10_beyond_the_prior", ("images", "method")),
    Table("clustering_ablation", "10_beyond_the_prior", "changed"),
)  # fmt: skip
# Half of what RandomHandwriting does by default.
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


def table(name):
    """The Table of that name; ValueError if there is none."""
    by_name = {entry.name: entry for entry in TABLES}
    return by_name[check_choice("table", name, by_name)]
