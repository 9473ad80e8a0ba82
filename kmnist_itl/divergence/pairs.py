"""Sums over all pairs of two samples: the one kernel that every estimator of this folder shares.

    e_ij = -|x_i - y_j|^2 / (4 sigma^2),   r_i = log mean_j b_j exp(e_ij),   log mean_ij a_i b_j exp(e_ij)

A divergence is a small difference of such logs, so each must be exact. Three regimes see to it:

- WIDE: all e are near 0, and exp(e) = 1 + e + q(e). The mean of 1 + e comes from moments, in double precision
  and from N points instead of N^2 pairs; only the small q(e) is summed over the pairs, in single precision.
- NARROW: the exponentials are summed over the pairs in single precision.
- EXACT: in double precision, the exponents of each row shifted by its largest, so that nothing underflows.

EXACT serves float64 and weights (a point that hardly counts may lie far off, and would decide how exact the
others are), samples that reach far beyond sigma, and samples so far apart that exp(e) underflows. Distances
come from differences of coordinates: expanded into scalar products they cancel off the origin.

Throughout, x and y are float64 [n, d] and [m, d], and a and b their weights, float64 [n] and [m] of mean 1,
or both None. A sample and itself are one tensor, and so are their weights.
"""

import functools
import math
from typing import NamedTuple

from . import checks
from .backend import tf

WIDE, NARROW, EXACT = range(3)
WIDE_BELOW = 1.0  # points within this many sigma of their centre: all |e| <= 1
FAR = 100.0  # beyond so many sigma the sums of a gradient cancel in single precision
LOW = -40.0  # exp(e) is shifted if all e may lie below this, well before it underflows in single precision
COORDINATES = 8  # are worked on at a time


class Kernel(NamedTuple):
    """How pairs are worked on: sigma, float64 scalar; regime, int32 scalar, None for EXACT; block_size."""

    sigma: object
    regime: object = None
    block_size: int | None = None


def kernel(x, y, sigma, dtype, block_size, weights):
    """The Kernel for V(X), V(Y) and V(X, Y) alike, so that what rounding they have in common cancels."""
    block_size = checks.block_size(block_size)
    if dtype == tf.float64 or weights is not None:
        return Kernel(sigma, None, block_size)
    x, y = tf.stop_gradient(x), tf.stop_gradient(y)
    centre = (tf.reduce_mean(x, axis=0) + tf.reduce_mean(y, axis=0)) / 2
    reach = tf.maximum(*(tf.reduce_max(tf.norm(points - centre, axis=1)) for points in (x, y))) / sigma
    some = tf.reduce_max(exponents(tf.transpose(x[:16]), tf.transpose(y), sigma))
    single = tf.where((reach <= FAR) & (some > LOW), NARROW, EXACT)
    return Kernel(sigma, tf.where(reach < WIDE_BELOW, WIDE, single), block_size)


def exponents(x, y, sigma):
    """e_ij in row j, column i: [m, n] of x [d, n] and y [d, m], whose rows are the coordinates."""
    scale = 1 / (2 * sigma)
    if x.shape[0] is not None and x.shape[0] <= COORDINATES:
        return -sum(tf.square((x[k][None, :] - y[k][:, None]) * scale) for k in range(x.shape[0]))
    # Written out, hundreds of coordinates take minutes to compile; in one reduction, the differences of all
    # pairs lie in memory at once. The coordinates that are padded add nothing.
    loops = (tf.shape(x)[0] + COORDINATES - 1) // COORDINATES
    padding = [[0, loops * COORDINATES - tf.shape(x)[0]], [0, 0]]
    x, y = (tf.reshape(tf.pad(p, padding), [loops, COORDINATES, tf.shape(p)[1]]) for p in (x, y))

    def add_some(loop, total):
        differences = (x[loop][:, None, :] - y[loop][:, :, None]) * scale
        return loop + 1, total - tf.reduce_sum(tf.square(differences), axis=0)

    total = tf.zeros([tf.shape(y)[2], tf.shape(x)[2]], x.dtype)
    return tf.while_loop(lambda loop, _: loop < loops, add_some, (0, total), parallel_iterations=1)[1]


def log_mean(logs, weights=None, axis=None):
    """log of the mean of w exp(logs), float64; exact where all are near 0 and where all are far below.

    The weights have mean 1 along the axis, and the shape of the logs or one that broadcasts to it.
    """
    counted = logs if weights is None else tf.where(weights > 0, logs, -math.inf)
    largest = tf.stop_gradient(tf.reduce_max(counted, axis=axis, keepdims=True))
    shifted = logs - largest
    excess = tf.reduce_mean(_weighted(tf.math.expm1(shifted), weights), axis=axis)
    largest = tf.reshape(largest, tf.shape(excess))
    if weights is None:
        return tf.math.log1p(excess) + largest
    # Where the largest has a tiny weight the mean is near 0. Each branch sees only what it is right for.
    near = excess > -0.5
    mean = tf.reduce_mean(_weighted(tf.exp(shifted), weights), axis=axis)
    near_one = tf.math.log1p(tf.where(near, excess, tf.zeros_like(excess)))
    return tf.where(near, near_one, tf.math.log(tf.where(near, tf.ones_like(mean), mean))) + largest


def _weighted(values, weights):
    """values times weights, or as they are without any; infinity times a weight of 0 is 0."""
    return values if weights is None else tf.math.multiply_no_nan(values, weights + tf.zeros_like(values))


def log_mean_kernel(x, a, y, b, kernel):
    """log mean_ij a_i b_j exp(e_ij), a float64 scalar; differentiable once."""
    itself = x is y and a is b

    def value_and_slopes(x, y, a=None, b=None):
        """The value, and its slopes in x_i and in a_i."""
        rows, pulls = _rows(x, y, b, kernel)
        value = log_mean(rows, a)
        shares = tf.exp(rows - value) / tf.cast(tf.shape(x)[0], tf.float64)
        slope = shares[:, None] * pulls / (2 * kernel.sigma**2)
        return (value, slope) if a is None else (value, _weighted(slope, a[:, None]), shares)

    def function(x, y, a=None, b=None):
        value, *slopes = value_and_slopes(x, y, a, b)

        def gradient(upstream):
            # Only here, so that nobody pays for y's slopes who does not ask for them.
            slopes_y = slopes if itself else value_and_slopes(y, x, b, a)[1:]
            return [upstream * slope for pair in zip(slopes, slopes_y, strict=True) for slope in pair]

        return value, gradient

    return _differentiable_once(function, x, y, *([] if a is None else [a, b]))


def log_row_means(x, y, block_size=None):
    """r_i = log 1/m sum_j exp(-|x_i - y_j|^2 / 4), float64 [n], of points over their kernel size; EXACT."""
    kernel = Kernel(tf.constant(1.0, tf.float64), None, checks.block_size(block_size))

    def function(x, y):
        rows, pulls = _rows(x, y, None, kernel)

        def slopes_y(some, upstream):
            shares = tf.exp(exponents(tf.transpose(x), tf.transpose(some), kernel.sigma) - rows)
            shares *= upstream / tf.cast(tf.shape(y)[0], tf.float64)
            return (tf.matmul(shares, x) - tf.reduce_sum(shares, axis=1, keepdims=True) * some) / 2

        def gradient(upstream):
            in_blocks = _map_blocks(lambda some: slopes_y(some, upstream), y, kernel.block_size)
            return upstream[:, None] * pulls / 2, in_blocks

        return rows, gradient

    return _differentiable_once(function, x, y)


def _differentiable_once(function, *inputs):
    """The value of `function`, which returns it and its gradient, with an error for a second derivative."""
    message = "Potentials and divergences can be differentiated once: no second derivative is implemented."

    # TensorFlow differentiates twice what two tapes, or a persistent one, see of a graph. It does not look
    # behind a tf.stop_gradient, where it would fail for the branches and loops that XLA compiles.
    @tf.custom_gradient
    def value(*inputs):
        result, gradient = function(*map(tf.stop_gradient, inputs))

        def first_derivative(upstream):
            slopes = [tf.stop_gradient(slope) for slope in gradient(tf.stop_gradient(upstream))]

            def second_derivative(*upstreams):
                # Of these graphs no sizes are known but those of the upstreams.
                shapes = [*map(tf.shape, upstreams), tf.shape(upstreams[0])[: upstream.shape.rank]]
                with tf.control_dependencies([tf.debugging.Assert(False, [message])]):
                    return [tf.fill(shape, tf.constant(math.nan, tf.float64)) for shape in shapes]

            return tf.custom_gradient(lambda *_: (slopes, second_derivative))(*inputs, upstream)

        return result, first_derivative

    return value(*inputs)


def _rows(x, y, b, kernel):
    """The r_i [n], and the pulls [n, d]: the means over j of y_j - x_i with the weights b_j exp(e_ij)."""
    columns = _graph(x.shape[1], kernel.block_size, has_tf32())(x, y, b, kernel.sigma, kernel.regime)
    columns = tf.stop_gradient(columns)  # see _differentiable_once
    return columns[:, 0], tf.ensure_shape(columns[:, 1:], [None, x.shape[1]])


@functools.lru_cache
def _graph(dim, block_size, has_tf32):
    """`_some_rows` in blocks, traced once: a training step needs it five times.

    In blocks it is compiled, so that the pairs of one block are all that lies in memory.
    """

    def graph(x, y, *options):
        return _map_blocks(lambda some: _some_rows(some, y, *options), x, block_size)

    return tf.function(graph, autograph=False, reduce_retracing=True, jit_compile=bool(block_size) or None)


def _some_rows(x, y, b, sigma, regime):
    """r_i and the pulls in 1 + d columns, float64 [n, 1 + d]."""

    def exact():
        e = exponents(tf.transpose(x), tf.transpose(y), sigma)
        column = None if b is None else b[:, None]
        rows = log_mean(e, column, axis=0)
        shares = _weighted(tf.exp(e - rows), column) / tf.cast(tf.shape(y)[0], tf.float64)
        return tf.concat([rows[:, None], tf.matmul(shares, y, transpose_a=True) - x], axis=1)

    if regime is None:
        return exact()
    m = tf.cast(tf.shape(y)[0], tf.float64)
    mean = tf.reduce_mean(y, axis=0)
    u, v = x - mean, y - mean
    # Out of the branches, or XLA converts and fetches each number anew for each pair.
    single_x, single_y, single_v = (tf.transpose(tf.cast(points, tf.float32)) for points in (x, y, v))
    single_sigma = tf.cast(sigma, tf.float32)

    def sums(function):
        """sum_j w_ij [n, 1] and sum_j w_ij v_j [n, d] of w = function(e)."""
        w = function(exponents(single_x, single_y, single_sigma))
        if has_tf32():  # which would round a product
            product = tf.reduce_sum(single_v[:, :, None] * w[None, :, :], axis=1)
        else:
            product = tf.matmul(single_v, w)
        return _column_sums(w)[:, None], tf.cast(tf.transpose(product), tf.float64)

    def narrow():
        total, moments = sums(tf.exp)
        return tf.concat([tf.math.log(total / m), tf.math.divide_no_nan(moments, total) - u], axis=1)

    def wide():
        # With c = 1 / (4 sigma^2): sum_j e_ij = -c (m |u_i|^2 + sum_j |v_j|^2), and
        # sum_j e_ij v_j = -c (sum_j |v_j|^2 v_j - 2 u_i^T sum_j v_j v_j^T)
        total, moments = sums(_beyond_first_order)
        squares = tf.reduce_sum(tf.square(v), axis=1, keepdims=True)
        c = 1 / (4 * sigma**2)
        total -= c * (m * tf.reduce_sum(tf.square(u), axis=1, keepdims=True) + tf.reduce_sum(squares))
        second_moments = tf.matmul(v, v, transpose_a=True)
        moments -= c * (tf.reduce_sum(squares * v, axis=0) - 2 * tf.matmul(u, second_moments))
        return tf.concat([tf.math.log1p(total / m), moments / (m + total) - u], axis=1)

    # Summed within the branches, so that the weights of all pairs need not be handed out of them.
    # tf.switch_case would do, but XLA tries to evaluate its index while it compiles, encoder and all.
    return tf.cond(regime == WIDE, wide, lambda: tf.cond(regime == NARROW, narrow, exact))


def _beyond_first_order(e):
    """q(e) = exp(e) - 1 - e = e^2/2! + e^3/3! + ... of float32 e, |e| <= 1."""
    total = tf.zeros_like(e)
    for k in range(12, 1, -1):
        total = total * e + 1 / math.factorial(k)
    return total * e * e


def _column_sums(weights):
    """The sums of columns [n] in double precision, first four at a time in single, which is quicker."""
    quarter = tf.shape(weights)[0] // 4
    fours = sum(weights[k * quarter : (k + 1) * quarter] for k in range(4))
    return sum(tf.reduce_sum(tf.cast(part, tf.float64), axis=0) for part in (fours, weights[4 * quarter :]))


def has_tf32():
    """Whether products of float32 matrices may have only 10 bits, as on some GPUs."""
    allowed = tf.config.experimental.tensor_float_32_execution_enabled()
    return bool(allowed and tf.config.list_physical_devices("GPU"))


def _map_blocks(function, x, block_size):
    """`function` of `block_size` rows of x at a time (None: of all), float64 [n, columns], put together."""
    if block_size is None:
        return function(x)
    n = tf.shape(x)[0]
    size = tf.minimum(block_size, tf.maximum(n, 1))
    blocks = tf.maximum((n + size - 1) // size, 1)
    shape = [blocks, size, x.shape[1] or tf.shape(x)[1]]
    padded = tf.reshape(tf.pad(x, [[0, blocks * size - n], [0, 0]]), shape)
    mapped = tf.map_fn(function, padded, fn_output_signature=tf.float64, parallel_iterations=1)
    return tf.reshape(mapped, [blocks * size, tf.shape(mapped)[2]])[:n]
