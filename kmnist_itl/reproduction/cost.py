"""What the CSD costs: a training step with it and one without it, in turns (the paper's section III.D)."""

import multiprocessing
import platform
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_itl import models, priors, settings, training
from kmnist_itl._tensorflow import keras, start_xla, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer
from kmnist_itl.reproduction import paper

AS_WRITTEN = ", as written"  # without XLA, too: Keras 2 did not compile with it


def device_name():
    """The GPU's name if there is one, else the processor's and how many cores it has."""
    for gpu in tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.*)", info.read_text() if info.is_file() else "", re.MULTILINE)
    return f"{names[0] if names else platform.machine()}, {len(names) or '?'} cores"


class AsWritten(keras.layers.Layer):
    """The CSD as section II.D writes it, in single precision: for comparison, since it is mostly rounding."""

    def __init__(self, prior, sigma, weight):
        super().__init__()
        self.prior, self.sigma, self.weight = prior, sigma, weight
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, codes):
        drawn = self.prior.sample(tf.shape(codes)[0], seed=tf.cast(self.seeds.next(), tf.int32))

        def potential(x, y):
            squares = tf.reduce_sum(tf.square(x[:, None] - y), axis=-1)
            return tf.reduce_mean(tf.exp(-squares / (4 * self.sigma**2)))

        ratio = potential(codes, codes) * potential(drawn, drawn) / potential(codes, drawn) ** 2
        self.add_loss(self.weight * tf.math.log(ratio))
        return codes


def regularizer(label):
    """The layer of a label: None for 'none', or for a prior's name; either with AS_WRITTEN behind it."""
    name = label.removesuffix(AS_WRITTEN)
    if name == "none":
        return None
    kind = CauchySchwarzRegularizer if label == name else AsWritten
    return kind(priors.get(name), paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA)


def step_seconds(images, labels, *, rounds=5, steps=20):
    """Seconds per training step of the autoencoder of 3 codes through `fit`, by label of its `regularizer`.

    All models take turns of one short epoch of `images`, float32 [n, 784] with n >= 1,000, so that load
    affects all equally; each round begins with another model. Returns a dict of float arrays [rounds].
    """
    steps = min(steps, len(images) // settings.BATCH_SIZE)
    pipeline = training.batches(images[: steps * settings.BATCH_SIZE], seed=0)
    start_xla()  # silently: a session is a process of its own
    compiled, timers = {}, {label: training.StepTimer() for label in labels}
    for label in labels:
        keras.utils.set_random_seed(0)
        compiled[label] = models.stacked_autoencoder(3, regularizer(label))
        adam = keras.optimizers.Adam(settings.LEARNING_RATE)
        compiled[label].compile(adam, "mean_squared_error", jit_compile=not label.endswith(AS_WRITTEN))
        compiled[label].fit(pipeline, **training.QUIETLY)
    for number in range(rounds):
        for label in np.roll(labels, -number):
            compiled[label].fit(pipeline, callbacks=[timers[label]], **training.QUIETLY)
    return {label: np.array(timer.epochs) / steps for label, timer in timers.items()}


def sessions(images, labels, *, count=6, rounds=9):
    """`step_seconds` in several sessions, each in a process of its own.

    The rounds of one session are alike: the deviation that counts is the one between sessions. Among the
    labels is 'none', and 'none' with AS_WRITTEN if another has it. Returns a DataFrame with a row for each
    session, prior (the label) and round: seconds_per_step, ratio (to its 'none' in the same round), device.
    """
    frames, spawn = [], multiprocessing.get_context("spawn")
    for session in range(count):
        with ProcessPoolExecutor(1, mp_context=spawn) as fresh:
            taken = fresh.submit(step_seconds, images, labels, rounds=rounds).result()
        for label, seconds in taken.items():
            columns = {"session": session, "prior": label, "round": range(rounds)}
            plain = taken["none" + AS_WRITTEN * label.endswith(AS_WRITTEN)]
            frames.append(pd.DataFrame({**columns, "seconds_per_step": seconds, "ratio": seconds / plain}))
    return pd.concat(frames, ignore_index=True).assign(device=device_name())
