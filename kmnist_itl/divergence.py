"""Information potentials, Renyi's quadratic entropies and the Cauchy-Schwarz divergence in tf ops.

All are Parzen window estimates with the paper's Gaussian kernel K_{sigma*sqrt(2)} (section II.D; Principe,
Information Theoretic Learning, 2010, chapter 2). Needs TensorFlow only, so that the file can be taken into
another project together with priors.py.
"""

import math

import tensorflow as tf

# Above this spread of the exponents, -|x - y|^2 / (4 sigma^2), the kernel counts as narrow.
_WIDE = 0.5


def log_information_potential(x, y, sigma):
    """log V(X, Y), the log of the mean of K_{sigma*sqrt(2)}(x_i - y_j) over all pairs.

    The kernel is a density: K_s(u) = (2 pi s^2)^(-d/2) exp(-|u|^2 / (2 s^2)).

    Args:
        x: floats [n, d], anything that tf.convert_to_tensor takes; float32 and float64 keep their dtype.
        y: floats [m, d] of the same dtype.
        sigma: float > 0, the kernel size, in the units of x and y.

    Returns:
        Scalar tensor, differentiable in x and in y. Memory grows as n * m * d.

    Raises:
        ValueError: sigma is not finite and above 0; x or y is empty, not 2-D, or their d differ.
        TypeError: x or y are not floats.
    """
    x, y, sigma = _checked(x, y, sigma)
    return _log_mean_exp(_exponents(x, y, sigma)) + _log_normalizer(x, sigma)


def information_potential(x, y, sigma):
    """V(X, Y), the (cross) information potential; V(X) is `information_potential(x, x, sigma)`.

    Arguments and errors as in `log_information_potential`, which does not underflow where this does.
    """
    return tf.exp(log_information_potential(x, y, sigma))


def renyi_entropy(x, sigma):
    """Renyi's quadratic entropy H2(X) = -log V(X), a scalar; errors as in `log_information_potential`."""
    return -log_information_potential(x, x, sigma)


def renyi_cross_entropy(x, y, sigma):
    """Renyi's quadratic cross-entropy -log V(X, Y), a scalar; errors as in `log_information_potential`."""
    return -log_information_potential(x, y, sigma)


def cauchy_schwarz_divergence(x, y, sigma):
    """The Cauchy-Schwarz divergence log(V(X) V(Y) / V(X, Y)^2), a scalar, 0 for equal samples, else >= 0.

    Arguments and errors as in `log_information_potential`. The kernel's normalizer cancels and is left out.
    """
    x, y, sigma = _checked(x, y, sigma)
    within = _log_mean_exp(_exponents(x, x, sigma)) + _log_mean_exp(_exponents(y, y, sigma))
    return within - 2 * _log_mean_exp(_exponents(x, y, sigma))


def check_kernel_size(sigma):
    """Return `sigma` as a float; raise a ValueError unless it is finite and above 0."""
    try:
        value = float(sigma)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"sigma, the kernel size, must be a finite number above 0; got {sigma!r}.")
    return value


def _checked(x, y, sigma):
    sigma = check_kernel_size(sigma)
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    for name, points in (("x", x), ("y", y)):
        if not points.dtype.is_floating:
            raise TypeError(f"{name} must hold floats; got dtype {points.dtype.name}. Convert it first.")
        if points.shape.rank != 2:
            raise ValueError(f"{name} must be 2-D, [points, dimensions]; got shape {tuple(points.shape)}.")
        if 0 in points.shape:
            raise ValueError(f"{name} must not be empty; got shape {tuple(points.shape)}.")
    if x.dtype != y.dtype:
        raise TypeError(f"x and y must have one dtype; got {x.dtype.name} and {y.dtype.name}.")
    if None not in (x.shape[1], y.shape[1]) and x.shape[1] != y.shape[1]:
        raise ValueError(f"x and y must have as many dimensions; got {x.shape[1]} and {y.shape[1]}.")
    return x, y, sigma


def _exponents(x, y, sigma):
    """-|x_i - y_j|^2 / (4 sigma^2), from differences: the Gram expansion cancels off the origin."""
    return -tf.reduce_sum(tf.square((x[:, None, :] - y[None, :, :]) / (2 * sigma)), axis=-1)


def _log_mean_exp(exponents):
    """log of the mean of exp(e): by expm1 and log1p where all are near 0, by log-sum-exp elsewhere.

    With a wide kernel the mean is 1 - tiny, and tiny is all that the CSD is made of.
    """
    wide = tf.reduce_min(exponents) > -_WIDE
    # Each branch sees only values that suit it, so that its gradient is finite where it is not chosen.
    small = tf.where(wide, exponents, tf.zeros_like(exponents))
    by_expm1 = tf.math.log1p(tf.reduce_mean(tf.math.expm1(small)))
    count = tf.cast(tf.size(exponents), exponents.dtype)
    by_logsumexp = tf.reduce_logsumexp(exponents) - tf.math.log(count)
    return tf.where(wide, by_expm1, by_logsumexp)


def _log_normalizer(x, sigma):
    dim = tf.cast(tf.shape(x)[1], x.dtype)
    return -0.5 * dim * tf.constant(math.log(4 * math.pi * sigma**2), x.dtype)
