"""What tests compare with: the formula of the CSD in double precision, differentiated by TensorFlow."""

from functools import partial

import numpy as np

from kmnist_itl._tensorflow import tf


def value_and_slopes(function, *given):
    """The function's value of tensors and its slopes in each of them."""
    given = [tf.convert_to_tensor(values) for values in given]
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = function(*given)
    return value, *tape.gradient(value, given)


def log_potential(x, y, sigma, a, b, variances=0.0):
    """log of the weighted mean of N(x_i; y_j, (2 sigma^2 + v_ij) I) over the kernel's peak, at any sigma."""
    window = 2 * sigma**2
    squares = tf.reduce_sum(tf.square(x[:, None] - y), axis=-1)
    logs = -(squares / (window + variances) + x.shape[1] * np.log1p(variances / window)) / 2
    shares = a[:, None] * b / (tf.reduce_sum(a) * tf.reduce_sum(b))
    largest = tf.stop_gradient(tf.reduce_max(logs))
    return tf.math.log1p(tf.reduce_sum(shares * tf.math.expm1(logs - largest))) + largest


def csd(x, y, a, b, sigma, scale=0.0):
    """Between points x of weights a, and points y of weights b, or Gaussians of that scale around these."""
    variances = np.square(scale) + np.zeros(len(y))
    within = log_potential(x, x, sigma, a, a) + log_potential(
        y, y, sigma, b, b, variances[:, None] + variances
    )
    return within - 2 * log_potential(x, y, sigma, a, b, variances)


def exact(x, y, sigma, a=None, b=None, scale=0.0):
    """The value of `csd` and its slopes in x, y, a and b."""
    a, b = (np.ones(len(p)) if w is None else np.asarray(w, float) for p, w in ((x, a), (y, b)))
    return value_and_slopes(partial(csd, sigma=sigma, scale=scale), x.astype(float), y.astype(float), a, b)
