"""The kinds of training, a small class for each: its function, what decides it, and how it is called."""

import functools
from dataclasses import dataclass

from kmnist_itl import models, priors, training
from kmnist_itl.clustering import forms, network
from kmnist_itl.clustering.handwriting import RandomHandwriting
from kmnist_itl.reproduction.runs import CLUSTERING_VERSION, REGULARIZER_VERSION, Training


@dataclass(frozen=True, eq=False, kw_only=True)
class Autoencoder(Training):
    """`training.train_autoencoder`; `prior` is an object of priors.py or None."""

    latent_dim: int
    loss: str = "mean_squared_error"
    prior: object = None
    sigma: float | None = None
    weight: float | None = None
    seconds = 400

    @property
    def _model(self):
        return {name: getattr(self, name) for name in ("latent_dim", "prior", "sigma", "weight")}

    def train(self, data, **options):
        return training.train_autoencoder(data, **self._model, loss=self.loss, **options)

    def build(self):
        return training.autoencoder(**self._model, seed=self.seed)

    def decisive(self):
        regularizer = self.prior and {
            "prior": {"class": type(self.prior).__name__, **self.prior.get_config()},
            "sigma": float(self.sigma),
            "weight": float(self.weight),
            "estimator": "sample",
            "seed": self.seed,
            "version": REGULARIZER_VERSION,
        }
        described = {"model": "stacked_autoencoder", "latent_dim": self.latent_dim, "loss": self.loss}
        return {**described, "regularizer": regularizer}

    def parts(self):
        yield f"autoencoder, {self.latent_dim} units"
        if self.loss != "mean_squared_error":
            yield self.loss.replace("_", " ")
        if self.prior is not None:
            yield f"{type(self.prior).__name__}, sigma {self.sigma:g}, lambda {self.weight:g}"

    @property
    def columns(self):
        if self.prior is None:
            return {"prior": "none", "sigma": float("nan"), "lambda": 0}
        return {"prior": priors.name_of(self.prior), "sigma": self.sigma, "lambda": self.weight}


@dataclass(frozen=True, eq=False, kw_only=True)
class Classifier(Training):
    """`training.train_classifier`, of the codes of an autoencoder with `latent_dim` units or of the pixels.

    `encoder_seed` is the autoencoder's seed if it is another than the classifier's.
    """

    latent_dim: int | None = None
    encoder_seed: int | None = None
    batch_norm: bool = False
    dropout: float = 0.0
    monitor: str = "val_loss"
    seconds = 80

    @functools.cached_property
    def encoder(self):
        """The Autoencoder whose codes are classified; None for pixels."""
        seed = self.seed if self.encoder_seed is None else self.encoder_seed
        described = {"fingerprint": self.fingerprint, "profile": self.profile, "seed": seed}
        return Autoencoder(**described, latent_dim=self.latent_dim) if self.latent_dim else None

    def train(self, data, **options):
        options |= {"batch_norm": self.batch_norm, "dropout": self.dropout, "monitor": self.monitor}
        encoder = self.encoder and self.encoder.run(data)
        return training.train_classifier(data, encoder=encoder, **options)

    def build(self):
        inputs = self.latent_dim or models.INPUT_DIM
        return models.mlp_classifier(inputs, batch_norm=self.batch_norm, dropout=self.dropout)

    def decisive(self):
        return {
            "model": "mlp_classifier",
            "inputs": self.encoder.key if self.encoder else "pixels",
            "batch_norm": self.batch_norm,
            "dropout": float(self.dropout),
            "monitor": self.monitor,
        }

    def parts(self):
        yield f"classifier of {f'{self.latent_dim} codes' if self.latent_dim else '784 pixels'}"
        if self.batch_norm:
            yield "batch normalization"
        if self.dropout:
            yield f"{self.dropout:.0%} dropout"
        if self.monitor != "val_loss":
            yield f"stopped by {self.monitor}"


@dataclass(frozen=True, eq=False, kw_only=True)
class CNN(Training):
    """`training.train_cnn`, which stops by the validation accuracy."""

    train, build = staticmethod(training.train_cnn), staticmethod(models.cnn_classifier)
    seconds = 900

    def decisive(self):
        momentum = models.CNN_MOMENTUM
        return {"model": "cnn_classifier", "momentum": momentum, "monitor": "val_accuracy"}

    def parts(self):
        yield "CNN"


@dataclass(frozen=True, eq=False, kw_only=True)
class Clustering(Training):
    """`clustering.network.train_clustering`, which sees no labels; `changes` are arguments of it."""

    changes: dict
    seconds = 900

    @property
    def _all_arguments(self):
        return {**network.train_clustering.__kwdefaults__, **self.changes}

    def train(self, data, **options):
        return network.train_clustering(data.train.images, **self.changes, **options)

    def build(self):
        return network.clustering_network(self._all_arguments["heads"])

    def decisive(self):
        given = self._all_arguments
        rounds = network.epochs_of_rounds(given["epochs"], given["form_epochs"], self.profile)
        return {
            "model": "clustering_network",
            "heads": list(given["heads"]),
            "neighbours": given["neighbours"],
            "information": given["information"],
            "epochs_of_rounds": list(rounds),
            "pairs": given["batch"],
            "form_resolution": network.FORM_RESOLUTION,
            "form_batch": network.FORM_BATCH,
            "form_neighbours": forms.NEIGHBOURS,
            "last_rate": network.LAST_RATE,
            "momentum": models.CNN_MOMENTUM,
            "handwriting": RandomHandwriting(**(given["handwriting"] or {})).settings,
            "clustering_version": CLUSTERING_VERSION,
        }

    def parts(self):
        yield from ("clustering network", *(f"{name} {value}" for name, value in self.changes.items()))
