"""The kernel size sigma: a number, or a rule that looks at the points."""

import functools
import math

from . import checks
from .backend import keras, tf
from .pairs import exponents


@keras.saving.register_keras_serializable(package="kmnist_itl")
def silverman_kernel_size(x):
    """Silverman's rule for a sample x, floats [N, d], N >= 2; a float32 scalar in the units of x.

        sigma = s (4 / (N (d + 2)))^(1 / (d + 4)),   s^2 = mean over the coordinates of their variance

    Best for the density of a Gaussian sample (Silverman, Density Estimation for Statistics and Data Analysis,
    1986, section 4.3.2). Raises as `log_information_potential`; ValueError also if all points are equal.

    >>> round(float(silverman_kernel_size([[0.0], [1.0], [3.0]])), 4)
    1.2988
    """
    x, _ = checks.samples(x=x)
    n, dim = (tf.cast(size, tf.float64) for size in tf.unstack(tf.shape(x)))
    deviation = tf.sqrt(tf.reduce_mean(tf.math.reduce_variance(x, axis=0)) * n / (n - 1))
    return _above_zero(deviation * (4 / (n * (dim + 2))) ** (1 / (dim + 4)), n)


@keras.saving.register_keras_serializable(package="kmnist_itl")
def median_kernel_size(x, *, most=1_000):
    """The median-distance rule, sigma = median_{i<j} |x_i - x_j| / sqrt 2, as `silverman_kernel_size`.

    Much wider than Silverman's: it sees where the sample lies, not its details. Of more than `most` points,
    an int >= 2, so many that lie evenly over the rows are looked at. (Gretton et al., A Kernel Two-Sample
    Test, JMLR 13, 2012, section 8, use the rule for another kernel statistic.)

    >>> round(float(median_kernel_size([[0.0], [1.0], [3.0]])), 4)
    1.4142
    """
    most, (x, _) = checks.count("most", most, low=2), checks.samples(x=x)
    n = tf.shape(x, out_type=tf.int64)[0]
    rows = tf.minimum(n, most)
    x = tf.transpose(tf.gather(x, tf.range(rows) * (n - 1) // tf.maximum(rows - 1, 1)))
    ordered = tf.sort(tf.reshape(tf.sqrt(-4 * exponents(x, x, 1.0)), [-1]))
    ordered = tf.concat([ordered, [math.nan]], axis=0)  # for an empty share of a batch, and for one point
    # First come the zeros of each point and itself, then each pair twice.
    count = rows * (rows - 1) // 2
    middle = [tf.maximum(count - 1, 0) // 2, count // 2]
    median = tf.reduce_mean(tf.gather(ordered, rows + 2 * tf.stack(middle)))
    return _above_zero(median / math.sqrt(2), n)


# Of a batch the median looks at 200 points: to sort the distances of 1,000 takes longer than a training step.
RULES = {"silverman": silverman_kernel_size, "median": functools.partial(median_kernel_size, most=200)}


def _above_zero(size, n):
    if tf.executing_eagerly() and not size > 0:
        reason = "it needs two at least" if n == 1 else f"too many of the {int(n)} are equal"
        raise ValueError(f"the points must differ for a rule: {reason}. Give sigma as a number.")
    return tf.cast(size, tf.float32)


def is_rule(sigma, name="sigma"):
    """Whether sigma is a rule, so that the kernel size follows the points; ValueError for an unknown name."""
    if isinstance(sigma, str) and sigma not in RULES:
        rules = " or ".join(map(repr, RULES))
        raise ValueError(f"{name} must be a number, {rules}, or a function; got {sigma!r}.")
    return isinstance(sigma, str) or (callable(sigma) and not isinstance(sigma, type))


def resolve(sigma, name="sigma", **samples):
    """sigma as a float64 scalar; a rule is asked about all points of the samples, float64 [n, d]."""
    if is_rule(sigma, name):
        once = {id(points): points for points in samples.values()}.values()
        points = tf.stop_gradient(tf.concat(list(once), axis=0))
        try:
            size = RULES[sigma](points) if isinstance(sigma, str) else sigma(points)
            sigma = checks.array("what a rule returns", size, [])
        except (TypeError, ValueError, NotImplementedError) as error:
            names = " and ".join(samples)
            raise ValueError(f"{name}={sigma!r} has no kernel size for {names}: {error}") from error
    if tf.executing_eagerly() or not (tf.is_tensor(sigma) or isinstance(sigma, keras.Variable)):
        # In double precision at once: tf.cast would round it to single first.
        return tf.constant(checks.number(name, sigma, checks.SMALLEST), tf.float64)
    return tf.reshape(tf.stop_gradient(tf.cast(sigma, tf.float64)), [])
