"""A walk over the swiss roll (the paper's Fig 8): its points, the decoded images, and how smooth it is."""

import numpy as np
from scipy.spatial.distance import pdist

from kmnist_itl import priors, training
from kmnist_itl.reproduction.measures import measure

WALK_STEPS = 10  # each way, as in the paper's Fig 8
WALK_TURNS = 20


def roll_walk(steps=WALK_STEPS):
    """Points [angle, height, 3] of a walk over the roll, as in the paper's Fig 8.

    Heights fall from left to right, so that they rise from right to left; angles rise from top to bottom.
    """
    roll = priors.SwissRoll()
    angles, heights = np.linspace(*roll.angles, steps), np.linspace(*roll.heights[::-1], steps)
    return np.reshape(roll.surface(np.repeat(angles, steps), np.tile(heights, steps)), (steps, steps, 3))


def decoded_walk(run, points=None):
    """Images [rows, columns, 784] that a decoder makes of points [rows, columns, 3]; None: `roll_walk()`."""
    points = roll_walk() if points is None else np.asarray(points)
    return training.decode(run, points.reshape(-1, 3).astype(np.float32)).reshape(*points.shape[:2], -1)


@measure("long_steps", "long_steps_turned", "mean_step", "largest_step", "median_of_any_two")
def walk(trained):
    """How smooth a walk over the roll is: root mean squared differences of decoded images, of 10 x 10 points.

    long_steps is the share of steps between neighbours whose images differ by at least the median of all
    pairs: one half on a random walk, 1 for a decoder that makes one image. mean_step, largest_step and
    median_of_any_two are the differences. long_steps_turned is the same share for the walk turned about its
    middle, out of the roll through empty space, mean over WALK_TURNS turns. Without a roll as prior, the walk
    has the codes' mean and covariance.
    """
    points = roll_walk()
    centre = points.reshape(-1, 3).mean(axis=0)
    if not isinstance(trained.prior, priors.SwissRoll):
        codes = training.encode(trained.run, trained.data.test.images).astype(np.float64)
        ours, rolls = (_root(np.cov(p.reshape(-1, 3).T)) for p in (codes, points))
        stretch = ours @ np.linalg.inv(rolls)
        points = (points - centre) @ stretch.T + codes.mean(axis=0)
        centre = codes.mean(axis=0)
    near, any_two = _steps(decoded_walk(trained.run, points))
    rng = np.random.default_rng(0)
    turned = []
    for _ in range(WALK_TURNS):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        steps, pairs = _steps(decoded_walk(trained.run, (points - centre) @ turn + centre))
        turned.append(np.mean(steps >= np.median(pairs)))
    return {
        "long_steps": float(np.mean(near >= np.median(any_two))),
        "long_steps_turned": float(np.mean(turned)),
        "mean_step": float(near.mean()),
        "largest_step": float(near.max()),
        "median_of_any_two": float(np.median(any_two)),
    }


def _root(covariance):
    """The symmetric square root of a covariance, also of one that is not of full rank."""
    variances, axes = np.linalg.eigh(covariance)
    return axes * np.sqrt(np.maximum(variances, 0)) @ axes.T


def _steps(images):
    """Root mean squared differences of the images of neighbours, and those of all pairs."""
    across, down = np.diff(images, axis=1), np.diff(images, axis=0)
    neighbours = np.concatenate([step.reshape(-1, images.shape[-1]) for step in (across, down)])
    any_two = pdist(images.reshape(-1, images.shape[-1])) / np.sqrt(images.shape[-1])
    return np.sqrt(np.mean(neighbours**2, axis=1)), any_two
