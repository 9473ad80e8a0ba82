"""What tests compare with: the CSD by its formula in extended precision; and a function with its slopes."""

import numpy as np

from kmnist_itl._tensorflow import tf


def exponents(x, y, sigma):
    """-|x_i - y_j|^2 / (4 sigma^2), [n, m]."""
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    squares = np.stack([np.sum((y - point) ** 2, axis=1) for point in x])
    return -squares / (4 * np.longdouble(sigma) ** 2)


def log_potential(x, y, sigma, a=1, b=1):
    """log V(X, Y) of points and weights over the kernel's peak, with expm1 for wide kernels."""
    a, b = np.broadcast_to(a, len(x)), np.broadcast_to(b, len(y))
    logs = exponents(x, y, sigma)
    return np.log1p(a @ np.expm1(logs - logs.max()) @ b / (a.sum() * b.sum())) + logs.max()


def csd(x, y, sigma, a=1, b=1):
    within = log_potential(x, x, sigma, a, a) + log_potential(y, y, sigma, b, b)
    return float(within - 2 * log_potential(x, y, sigma, a, b))


def csd_slopes(x, y, sigma, a=1, b=1):
    """The slopes of `csd` in x, in y, in a and in b."""

    def slopes(x, y, a, b):
        """Those of log V(X, Y) in x and in a, the latter but for what all a share."""
        logs = exponents(x, y, sigma)
        kernel = np.exp(logs - logs.max()) * b
        rows = kernel.sum(axis=1)
        total = np.sum(a * rows)
        pulls = [row @ (y - point) for row, point in zip(kernel, x.astype(np.longdouble), strict=True)]
        return np.stack(pulls) * np.reshape(a, [-1, 1]) / (2 * sigma**2 * total), rows / total

    def of_first(x, y, a, b):
        return [
            2 * (own - across) for own, across in zip(slopes(x, x, a, a), slopes(x, y, a, b), strict=True)
        ]

    (in_x, in_a), (in_y, in_b) = of_first(x, y, a, b), of_first(y, x, b, a)
    return in_x, in_y, in_a, in_b


def value_and_slopes(function, *given):
    """The function's value of tensors and its slopes in each of them."""
    given = [tf.convert_to_tensor(values) for values in given]
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = function(*given)
    return value, *tape.gradient(value, given)
