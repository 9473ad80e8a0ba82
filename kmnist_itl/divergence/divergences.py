"""Divergences between samples, and between a sample and a mixture of Gaussians."""

import reprlib

from . import checks, kernel_size, pairs
from .backend import tf
from .potentials import log_potentials

SIDES = "xx", "yy", "xy"


def cauchy_schwarz_divergence(x, y, sigma, *, x_weights=None, y_weights=None, block_size=None):
    """The Cauchy-Schwarz divergence CSD(p_X||p_Y) = log(V(X) V(Y) / V(X, Y)^2), a scalar >= 0.

    0 for equal samples. Arguments and errors as in `log_information_potential`.

    >>> round(float(cauchy_schwarz_divergence([[0.0]], [[1.0]], sigma=1.0)), 4)
    0.5
    """
    *logs, _, dtype = log_potentials(SIDES, x, y, sigma, x_weights, y_weights, block_size)
    within_x, within_y, across = logs
    return tf.cast(within_x + within_y - 2 * across, dtype)  # the kernel's peak cancels


def euclidean_divergence(x, y, sigma, *, x_weights=None, y_weights=None, block_size=None):
    """The Euclidean divergence V(X) + V(Y) - 2 V(X, Y), the integral of (p_X - p_Y)^2, a scalar >= 0.

    It has a density's unit and is at most 2 (4 pi sigma^2)^(-d/2), which is tiny for a wide kernel. Arguments
    and errors as in `log_information_potential`.

    >>> round(float(euclidean_divergence([[0.0]], [[1.0]], sigma=1.0)), 4)
    0.1248
    """
    *logs, peak, dtype = log_potentials(SIDES, x, y, sigma, x_weights, y_weights, block_size)
    return tf.cast(euclidean(*logs, peak), dtype)


def euclidean(left, right, across, peak):
    """V_left + V_right - 2 V_across from the logs of the three over the peak, and the log of the peak."""
    left, right, across = (tf.math.expm1(log) for log in (left, right, across))  # the ones cancel
    return tf.math.multiply_no_nan(tf.exp(peak), left + right - 2 * across)


def divergence_from_gaussians(x, means, spread, sigma, *, weights=None, x_weights=None, block_size=None):
    """The CSD between a sample and a mixture sum_j w_j N(m_j, s_j^2 I), without sampling the mixture.

    What `cauchy_schwarz_divergence(x, y, sigma)` tends to as a sample y of the mixture grows:

        CSD = log(V(X) V(M) / V(X, M)^2)
        V(X, M) = 1/N sum_ij w_j N(x_i; m_j, (2 sigma^2 + s_j^2) I)
        V(M)    = sum_jl w_j w_l N(m_j; m_l, (2 sigma^2 + s_j^2 + s_l^2) I)

    Args:
        x, means: floats [N, d] and [k, d], the m_j. Memory grows with N k d besides the N^2 of V(X).
        spread: the scale s_j, the standard deviation along each axis: one number from 0 to 1e30, or k.
        sigma, x_weights, block_size: as in `log_information_potential`; a rule sees x and the means.
        weights: None for equal ones; or k numbers >= 0, not all 0, the w_j, which are divided by their sum.

    Raises as `log_information_potential`; ValueError also for another spread or weights.

    >>> round(float(divergence_from_gaussians([[0.0]], [[1.0]], spread=1.0, sigma=1.0)), 4)
    0.3922
    """
    x, means, dtype = checks.samples(x=x, means=means)
    a = None if x_weights is None else checks.weights("x_weights", x_weights, x)
    sigma = kernel_size.resolve(sigma, x=x, means=means)
    variances = tf.square(tf.reshape(checks.numbers("spread", spread, [], [means.shape[0]], low=0), [-1]))
    weights = checks.weights("weights", weights, means)
    kernel = pairs.kernel(x, x, sigma, dtype, block_size, a)
    within_x = pairs.log_mean_kernel(x, a, x, a, kernel)
    if kernel.regime is not None:
        # Narrow V(X) has exponents that are off by the rounding of 1 / (2 sigma). Let the others share it.
        rounded = 0.5 / tf.cast(1 / (2 * tf.cast(sigma, tf.float32)), tf.float64)
        sigma = tf.where(kernel.regime == pairs.NARROW, rounded, sigma)
    products = weights[:, None] * weights
    within_means = _log_of_gaussians(means, means, variances[:, None] + variances, products, sigma)
    across = _log_of_gaussians(x, means, variances, weights if a is None else a[:, None] * weights, sigma)
    return tf.cast(within_x + within_means - 2 * across, dtype)


def _log_of_gaussians(x, y, variances, weights, sigma):
    """log mean_ij w_ij N(x_i; y_j, (2 sigma^2 + v_ij) I) / K_{sigma sqrt 2}(0), float64."""
    window = 2 * tf.square(sigma)
    dim = tf.cast(tf.shape(x)[1], tf.float64)
    squares = tf.reduce_sum(tf.square(x[:, None] - y), axis=-1)
    terms = dim * tf.math.log1p(variances / window) + squares / (window + variances)
    return pairs.log_mean(-0.5 * terms, weights + tf.zeros_like(squares))


def conditional_cauchy_schwarz_divergence(x_s, y_s, x_t, y_t, sigma_x, sigma_y, *, block_size=None):
    """The conditional Cauchy-Schwarz divergence between p_s(y|x) and p_t(y|x), from pairs of each, a scalar.

    With the Gram matrices K of the x (K^st_ji = K_{sigma_x sqrt 2}(x^s_j - x^t_i)) and L of the y:

        D = log S_s + log S_t - log C_st - log C_ts
        S_s  = sum_j (sum_i K^s_ji L^s_ji) / (sum_i K^s_ji)^2
        C_st = sum_j (sum_i K^st_ji L^st_ji) / (sum_i K^s_ji sum_i K^st_ji)

    It is 0 for equal samples. Where the x of the two samples hardly overlap it can be negative, so do not let
    a model that moves x make it small on its own. x_s, y_s: floats [M, d_x] and [M, d_y], row by row a pair;
    x_t, y_t: [N, d_x] and [N, d_y]. The rest is as in `log_information_potential`. Source: Yu et al., IEEE
    TPAMI 47, 2025 (arXiv 2301.08970); their kernel size is our sigma sqrt 2.

    >>> x, y = [[0.0], [1.0]], [[0.0], [2.0]]
    >>> round(float(conditional_cauchy_schwarz_divergence(x, y, x, [[2.0], [0.0]], 0.5, 0.5)), 4)
    1.9163
    """
    checks.samples(same=0, x_s=x_s, y_s=y_s)
    checks.samples(same=0, x_t=x_t, y_t=y_t)
    x_s, x_t, dtype_x = checks.samples(x_s=x_s, x_t=x_t)
    y_s, y_t, dtype_y = checks.samples(y_s=y_s, y_t=y_t)
    sigma_x = kernel_size.resolve(sigma_x, "sigma_x", x_s=x_s, x_t=x_t)
    sigma_y = kernel_size.resolve(sigma_y, "sigma_y", y_s=y_s, y_t=y_t)
    s, t = ((x / sigma_x, tf.concat([x / sigma_x, y / sigma_y], axis=1)) for x, y in ((x_s, y_s), (x_t, y_t)))
    # log sum_i K_ji and log sum_i K_ji L_ji for each j, but for their count
    (k_s, kl_s), (k_t, kl_t), (k_st, kl_st), (k_ts, kl_ts) = (
        [pairs.log_row_means(*points, block_size) for points in zip(left, right, strict=True)]
        for left, right in ((s, s), (t, t), (s, t), (t, s))
    )
    within = pairs.log_mean(kl_s - 2 * k_s) + pairs.log_mean(kl_t - 2 * k_t)
    across = pairs.log_mean(kl_st - k_s - k_st) + pairs.log_mean(kl_ts - k_t - k_ts)
    return tf.cast(within - across, dtype_x if dtype_x == dtype_y else tf.float32)


def generalized_cauchy_schwarz_divergence(samples, sigma, *, block_size=None):
    """The generalized Cauchy-Schwarz divergence of two or more samples, a scalar.

        D = 1/m sum_t log int p_t^m - log int p_1 p_2 ... p_m

    With V_tk(j) = 1/N_k sum_i K_{sigma sqrt 2}(x^t_j - x^k_i), the estimate of p_k at the points of t:

        D = 1/m sum_t log(1/N_t sum_j V_tt(j)^(m-1)) - log(1/m sum_t 1/N_t sum_j prod_{k != t} V_tk(j))

    It is 0 for equal samples, and half of `cauchy_schwarz_divergence` for two. samples: two or more arrays of
    floats [N_t, d]; the rest is as in `log_information_potential`. Source: Lu, Yu et al., Neurocomputing 2025
    (arXiv 2405.04061).

    >>> round(float(generalized_cauchy_schwarz_divergence([[[0.0]], [[1.0]], [[2.0]]], sigma=1.0)), 4)
    0.9335
    """
    if not isinstance(samples, list | tuple) or len(samples) < 2:
        raise ValueError(f"samples must be a list of two or more arrays; got {reprlib.repr(samples)}.")
    samples = {f"samples[{k}]": sample for k, sample in enumerate(samples)}
    *points, dtype = checks.samples(**samples)
    sigma = kernel_size.resolve(sigma, **dict(zip(samples, points, strict=True)))
    points = [sample / sigma for sample in points]
    within, across = 0.0, []
    for t, sample in enumerate(points):
        rows = [pairs.log_row_means(sample, reference, block_size) for reference in points]
        within += pairs.log_mean((len(points) - 1) * rows[t]) / len(points)
        across.append(pairs.log_mean(sum(row for k, row in enumerate(rows) if k != t)))
    return tf.cast(within - pairs.log_mean(tf.stack(across)), dtype)
