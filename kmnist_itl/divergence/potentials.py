"""Information potentials and Renyi's quadratic entropies.

K_s(u)  = (2 pi s^2)^(-d/2) exp(-|u|^2 / (2 s^2))
V(X, Y) = 1/(N_X N_Y) sum_ij K_{sigma sqrt 2}(x_i - y_j),   V(X) = V(X, X)
"""

import math

from . import checks, kernel_size, pairs
from .backend import tf


def log_information_potential(x, y, sigma, *, x_weights=None, y_weights=None, block_size=None):
    """log V(X, Y) = log(1/(N_X N_Y) sum_ij K_{sigma sqrt 2}(x_i - y_j)), which does not underflow.

    With weights it is log(sum_ij a_i b_j K_{sigma sqrt 2}(x_i - y_j) / (sum_i a_i sum_j b_j)).

    Args:
        x, y: floats [N_X, d] and [N_Y, d], anything that tf.convert_to_tensor takes.
        sigma: the kernel size in the units of x and y, a number from 1e-30 to 1e30; or 'silverman', 'median'
            or a function of float64 points [N, d] that returns a number. A rule gets all points of x and y
            (once, if x is y) without their weights, and no gradient goes through it. In a graph sigma may be
            a scalar tensor, which is not checked.
        x_weights, y_weights: None, or numbers >= 0 [N_X] and [N_Y], not all 0; only proportions matter.
        block_size: None, or an int >= 1: so many rows of pairs are worked on at a time, and memory grows with
            block_size * N_Y instead of N_X * N_Y.

    Returns:
        Scalar tensor, float64 if all samples are, else float32; right to 1e-5 (its gradient to 1e-4, for
        points within 1e9 sigma of their centre). Differentiable once in x, y and weights: a second derivative
        raises InvalidArgumentError, and is NaN under XLA.

    Raises:
        ValueError: x or y is empty, not 2-D, holds NaN or infinity, or their d differ; sigma, weights or
            block_size are none of the above. What a graph cannot know when it is made makes its result NaN.
        TypeError: x or y are no arrays of floats.

    >>> round(float(log_information_potential([[0.0]], [[1.0]], sigma=1.0)), 4)
    -1.5155
    """
    across, peak, dtype = log_potentials(["xy"], x, y, sigma, x_weights, y_weights, block_size)
    return tf.cast(across + peak, dtype)


def information_potential(x, y, sigma, **options):
    """The (cross-)information potential V(X, Y), a scalar. Arguments as in `log_information_potential`.

    >>> round(float(information_potential([[0.0]], [[1.0]], sigma=1.0)), 4)
    0.2197
    """
    return tf.exp(log_information_potential(x, y, sigma, **options))


def renyi_entropy(x, sigma, *, weights=None, block_size=None):
    """Renyi's quadratic entropy H_2(X) = -log V(X), a scalar. Arguments as in `log_information_potential`.

    >>> round(float(renyi_entropy([[0.0], [1.0]], sigma=1.0)), 4)
    1.3827
    """
    within, peak, dtype = log_potentials(["xx"], x, x, sigma, weights, weights, block_size)
    return -tf.cast(within + peak, dtype)


def renyi_cross_entropy(x, y, sigma, **options):
    """Renyi's cross-entropy H_2(X, Y) = -log V(X, Y), a scalar. Arguments as in `log_information_potential`.

    >>> round(float(renyi_cross_entropy([[0.0]], [[1.0]], sigma=1.0)), 4)
    1.5155
    """
    return -log_information_potential(x, y, sigma, **options)


def log_potentials(names, x, y, sigma, x_weights, y_weights, block_size):
    """log V over the kernel's peak for each of `names`, such as "xy"; the log of the peak; and the dtype."""
    x, y, dtype = checks.samples(x=x, y=y)
    a, b = None, None
    if x_weights is not None or y_weights is not None:
        a = checks.weights("x_weights", x_weights, x)
        b = checks.weights("y_weights", y_weights, y)
    sigma = kernel_size.resolve(sigma, x=x, y=y)
    kernel = pairs.kernel(x, y, sigma, dtype, block_size, a)
    samples = {"x": (x, a), "y": (y, b)}
    logs = [pairs.log_mean_kernel(*samples[left], *samples[right], kernel) for left, right in names]
    return *logs, log_peak(x, sigma), dtype


def log_peak(x, sigma):
    """log K_{sigma sqrt 2}(0) = -d/2 log(4 pi sigma^2), the log of the kernel's peak, float64."""
    return -0.5 * tf.cast(tf.shape(x)[1], tf.float64) * tf.math.log(4 * math.pi * sigma**2)
