"""What the CSD costs: a training step with it beside one without it, in turns (the paper's section III.D)."""

import platform
import warnings
from pathlib import Path

import numpy as np

from kmnist_itl import settings, training
from kmnist_itl._tensorflow import keras, tf


def device_name():
    """The GPU's name if there is one, else the processor's and how many cores it has."""
    for gpu in tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {len(names) or '?'} cores"


def step_seconds(images, priors, *, sigma, weight, latent_dim=3, rounds=5, steps=20):
    """Seconds per training step of the autoencoder through `fit`, without and with the CSD to each prior.

    All models take turns of one short epoch, so that all meet the same machine; each is warmed up first, and
    each round begins with another model.

    Args:
        images: float32 [n, 784], of which the first `steps` batches are used.
        priors: maps a label to a prior, None for no CSD.
        sigma, weight: the CSD's kernel size and lambda.
        latent_dim, rounds, steps: ints >= 1.

    Returns:
        Maps each label to seconds per step, float array [rounds]. Values of one round belong together.

    Raises ValueError if images are fewer than one batch.
    """
    steps = min(steps, len(images) // settings.BATCH_SIZE)
    if steps < 1:
        raise ValueError(f"images must fill a batch of {settings.BATCH_SIZE}; got {len(images)}.")
    pipeline = training.batches(images[: steps * settings.BATCH_SIZE], seed=0)

    def stepper(prior):
        csd = {} if prior is None else {"prior": prior, "sigma": sigma, "weight": weight}
        model = training.autoencoder(latent_dim, **csd)
        model.compile(keras.optimizers.Adam(settings.LEARNING_RATE), "mean_squared_error", jit_compile=True)
        timer = training.StepTimer()

        def epoch():
            model.fit(pipeline, epochs=1, verbose=0, callbacks=[timer])
            return timer.epochs[-1] / steps

        return epoch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*shuffle=True.*")
        steppers = {label: stepper(prior) for label, prior in priors.items()}
        for epoch in steppers.values():
            epoch()
        taken = {label: [] for label in priors}
        turns = list(steppers)
        for _ in range(rounds):
            for label in turns:
                taken[label].append(steppers[label]())
            turns = [*turns[1:], turns[0]]
    return {label: np.array(values) for label, values in taken.items()}
