"""Information potentials, Renyi's quadratic entropies and the Cauchy-Schwarz divergence in tf ops.

All are Parzen window estimates (the paper's section II.D; Principe, Information Theoretic Learning, 2010,
chapter 2) from samples X of N_X and Y of N_Y points in d dimensions:

    K_s(u)        = (2 pi s^2)^(-d/2) exp(-|u|^2 / (2 s^2))
    V(X, Y)       = 1/(N_X N_Y) sum_ij K_{sigma sqrt 2}(x_i - y_j),   V(X) = V(X, X)
    CSD(p_X||p_Y) = log(V(X) V(Y) / V(X, Y)^2)

The code computes V(X, Y) = K_{sigma sqrt 2}(0) mean_ij exp(e_ij), e_ij = -|x_i - y_j|^2 / (4 sigma^2). A
divergence is a small difference of logs of such means. It stays exact in single precision so:

- Where the kernel is wide, all e are near 0 and exp(e) = 1 + e + q(e). The mean of e comes from moments, in
  double precision and from N points instead of N^2 pairs; only the small q(e) is summed over the pairs.
- Where it is narrow, the exponents are shifted by the largest of them, so that nothing underflows.
- Distances come from differences of coordinates: expanded into scalar products they cancel off the origin.
- Only what is done for each pair is in single precision, and with weights not even that; sums and logs are
  in double.

The gradient is a weighted mean of differences, and its weights are the exp(e_ij) that the value needs anyway.
Its sums cancel where the points are spread far beyond sigma: from _FAR sigma on they are in double precision,
which keeps the gradient right to 1e-4 up to a spread of 1e9 sigma.
The file needs TensorFlow only, so that it can be taken into another project together with priors.py.
"""

import contextlib
import functools
import math
import numbers
import operator

import numpy as np

try:
    from kmnist_itl._tensorflow import keras, tf
except ModuleNotFoundError as missing:
    if missing.name not in ("kmnist_itl", "kmnist_itl._tensorflow"):
        raise
    import keras  # this file was copied into another project
    import tensorflow as tf

ESTIMATORS = ("sample", "closed_form", "fourier")
# What the layer can add to the loss, and the name of its metric.
DIVERGENCES = {"cauchy_schwarz": "csd", "euclidean": "euclidean", "entropy": "entropy"}

# Up to this |exponent| the kernel counts as wide, and a Taylor polynomial replaces the exponential.
_WIDE = 1.0
# Exponents are shifted if all lie below this, well before exp() underflows in single precision.
_LOW = -40.0
# Samples that reach farther than so many sigma have their gradients summed in double precision.
_FAR = 100.0
# So many coordinates are worked on at a time.
_COORDINATES = 8


def log_information_potential(x, y, sigma, *, x_weights=None, y_weights=None, block_size=None):
    """log V(X, Y) = log(1/(N_X N_Y) sum_ij K_{sigma sqrt 2}(x_i - y_j)), which does not underflow.

    With weights a and b it is log(sum_ij a_i b_j K_{sigma sqrt 2}(x_i - y_j) / (sum_i a_i sum_j b_j)): a
    point of weight 2 counts as two equal points of weight 1.

    In float32 its gradient is right to 1e-4 if no point lies more than 1e9 sigma from the points' centre; the
    value is right at any distance.

    Args:
        x: floats [N_X, d], anything that tf.convert_to_tensor takes; float32 and float64 keep their dtype, of
            16-bit floats the result is float32.
        y: floats [N_Y, d] of the same dtype.
        sigma: the kernel size, in the units of x and y: a float from 1e-30 to 1e30; or 'silverman' or
            'median', for `silverman_kernel_size` or `median_kernel_size` of all points of x and y together;
            or a function of these points, float64 [N_X + N_Y, d], that returns a number. No gradient goes
            through a rule. A rule looks at the points and not at their weights; a sample that is given
            twice, as in V(X), counts once. 'median' takes 200 points of a larger number. In a graph sigma
            may be a scalar tensor, which is not checked.
        x_weights, y_weights: None, or floats >= 0 [N_X] and [N_Y], of which not all are 0. Only their
            proportions matter. The result is differentiable in them, too.
        block_size: None, or an int >= 1: so many rows of pairs are worked on at a time, and memory grows with
            block_size * N_Y instead of N_X * N_Y.

    Returns:
        Scalar tensor, differentiable (once) in x and in y; a second derivative raises NotImplementedError.

    Raises:
        ValueError: sigma is out of range; x or y is empty, not 2-D, or their d differ; x or y holds NaN or
            infinity; weights have another length, are negative or all 0; block_size is no whole number of
            at least 1. What a graph does not know when it is made (NaN, infinity, that there are no rows, a
            rule's kernel size of 0) makes its result NaN.
        TypeError: x or y are no arrays of floats, or of different dtypes.

    See also: `information_potential`, `renyi_cross_entropy`, `cauchy_schwarz_divergence`.

    >>> from kmnist_itl.divergence import log_information_potential
    >>> round(float(log_information_potential([[0.0]], [[1.0]], sigma=1.0)), 4)
    -1.5155
    """
    x, y, sigma, block_size, dtype = _checked(x, y, sigma, block_size)
    a, b = _checked_weights(x, y, x_weights, y_weights)
    how = _how(x, y, sigma, dtype, block_size, a, b)
    # log V(X, Y) = log mean_ij exp(e_ij) + log K_{sigma sqrt 2}(0)
    return tf.cast(_log_mean_exp(x, y, *how, a, b) + _log_peak(x, sigma), dtype)


def information_potential(x, y, sigma, *, x_weights=None, y_weights=None, block_size=None):
    """The (cross-)information potential V(X, Y) = 1/(N_X N_Y) sum_ij K_{sigma sqrt 2}(x_i - y_j), a scalar.

    V(X) is `information_potential(x, x, sigma)`. Arguments and errors as in `log_information_potential`,
    which does not underflow where this does. See also: `renyi_entropy`, `renyi_cross_entropy`.

    >>> from kmnist_itl.divergence import information_potential
    >>> round(float(information_potential([[0.0]], [[1.0]], sigma=1.0)), 4)
    0.2197
    """
    weights = {"x_weights": x_weights, "y_weights": y_weights}
    return tf.exp(log_information_potential(x, y, sigma, **weights, block_size=block_size))


def renyi_entropy(x, sigma, *, weights=None, block_size=None):
    """Renyi's quadratic entropy H_2(X) = -log V(X) = -log(1/N_X^2 sum_ij K_{sigma sqrt 2}(x_i - x_j)).

    Returns a scalar. `weights` are those of x. Arguments and errors as in `log_information_potential`.
    See also: `renyi_cross_entropy`.

    >>> from kmnist_itl.divergence import renyi_entropy
    >>> round(float(renyi_entropy([[0.0], [1.0]], sigma=1.0)), 4)
    1.3827
    """
    both = {"x_weights": weights, "y_weights": weights}
    return -log_information_potential(x, x, sigma, **both, block_size=block_size)


def renyi_cross_entropy(x, y, sigma, *, x_weights=None, y_weights=None, block_size=None):
    """Renyi's cross-entropy H_2(X, Y) = -log V(X, Y) = -log(1/(N_X N_Y) sum_ij K_{sigma sqrt 2}(x_i - y_j)).

    Returns a scalar. Arguments and errors as in `log_information_potential`. See also: `renyi_entropy`.

    >>> from kmnist_itl.divergence import renyi_cross_entropy
    >>> round(float(renyi_cross_entropy([[0.0]], [[1.0]], sigma=1.0)), 4)
    1.5155
    """
    weights = {"x_weights": x_weights, "y_weights": y_weights}
    return -log_information_potential(x, y, sigma, **weights, block_size=block_size)


def cauchy_schwarz_divergence(x, y, sigma, *, x_weights=None, y_weights=None, block_size=None):
    """The Cauchy-Schwarz divergence CSD(p_X||p_Y) = log(V(X) V(Y) / V(X, Y)^2), a scalar.

    It is 2 H_2(X, Y) - H_2(X) - H_2(Y), 0 for equal samples, else >= 0. Arguments and errors as in
    `log_information_potential`. See also: `divergence_from_gaussians`, `CauchySchwarzRegularizer`.

    >>> from kmnist_itl.divergence import cauchy_schwarz_divergence
    >>> round(float(cauchy_schwarz_divergence([[0.0]], [[1.0]], sigma=1.0)), 4)
    0.5
    """
    within_x, within_y, across, _, dtype = _three_potentials(x, y, sigma, x_weights, y_weights, block_size)
    # log V(X) + log V(Y) - 2 log V(X, Y): the kernel's peak cancels.
    return tf.cast(within_x + within_y - 2 * across, dtype)


def euclidean_divergence(x, y, sigma, *, x_weights=None, y_weights=None, block_size=None):
    """The Euclidean divergence V(X) + V(Y) - 2 V(X, Y), the integral of (p_X - p_Y)^2, a scalar.

    0 for equal samples, else >= 0. It has a density's unit and is at most 2 K_{sigma sqrt 2}(0) =
    2 (4 pi sigma^2)^(-d/2), which is tiny for a wide kernel: choose a weight in a loss accordingly. Arguments
    and errors as in `log_information_potential`. See also: `cauchy_schwarz_divergence`, which has no unit and
    does not fade where the samples are far apart.

    >>> from kmnist_itl.divergence import euclidean_divergence
    >>> round(float(euclidean_divergence([[0.0]], [[1.0]], sigma=1.0)), 4)
    0.1248
    """
    *logs, peak, dtype = _three_potentials(x, y, sigma, x_weights, y_weights, block_size)
    return tf.cast(_euclidean(*logs, peak), dtype)


def _euclidean(one, other, across, peak):
    """V_1 + V_2 - 2 V_3 of the logs of three potentials over the kernel's peak, and the log of the peak."""
    # Each V is K(0) exp(log); the ones that expm1 leaves out cancel.
    one, other, across = (tf.math.expm1(log) for log in (one, other, across))
    return tf.math.multiply_no_nan(tf.exp(peak), one + other - 2 * across)


def _cauchy_schwarz_of_vectors(a, apart):
    """log(|a|^2 |b|^2 / (a^T b)^2) of two arrays a and b = a + apart, float64, exact where they are near."""
    # With A = |a|^2, B = a^T apart and C = |apart|^2, |a|^2 |b|^2 - (a^T b)^2 = A C - B^2: what is left of
    # the difference has no rounding of their size.
    pairs = ((a, a), (a, apart), (apart, apart))
    whole, along, beside = (tf.reduce_sum(one * other) for one, other in pairs)
    return tf.math.log1p((whole * beside - tf.square(along)) / tf.square(whole + along))


def _three_potentials(x, y, sigma, x_weights, y_weights, block_size):
    """log V(X), log V(Y) and log V(X, Y) over the kernel's peak K(0), log K(0), float64, and the dtype."""
    x, y, sigma, block_size, dtype = _checked(x, y, sigma, block_size)
    a, b = _checked_weights(x, y, x_weights, y_weights)
    # One choice for the three, so that what rounding is common to them cancels.
    how = _how(x, y, sigma, dtype, block_size, a, b)
    within = _log_mean_exp(x, x, *how, a, a), _log_mean_exp(y, y, *how, b, b)
    return *within, _log_mean_exp(x, y, *how, a, b), _log_peak(x, sigma), dtype


def _how(x, y, sigma, dtype, block_size, a, b):
    """How `_log_mean_exp` works on pairs: sigma, the points' reach, the dtype of pairs and block_size.

    With weights the dtype is double: a point that hardly counts may lie far off, and would else decide how
    exact the others are.
    """
    return sigma, _reach(x, y, sigma, a, b), dtype if a is None else tf.float64, block_size


def quadratic_mutual_information(
    x=None, y=None, sigma_x=None, sigma_y=None, *, table=None, divergence="cauchy_schwarz", block_size=None
):
    """The quadratic mutual information of pairs (x_i, y_i), or of a joint distribution given as a table.

    It is the divergence between the joint density and the product of the marginal ones:

        I_CS = log(V_J V_M / V_C^2)   or   I_ED = V_J + V_M - 2 V_C

    By Parzen windows, with K_ij = K_{sigma_x sqrt 2}(x_i - x_j) and L_ij = K_{sigma_y sqrt 2}(y_i - y_j):

        V_J = 1/N^2 sum_ij K_ij L_ij,   V_M = (1/N^2 sum_ij K_ij) (1/N^2 sum_ij L_ij),
        V_C = 1/N sum_i (1/N sum_j K_ij) (1/N sum_j L_ij)

    For a table P with the marginals p and q (the row and column sums of P, whose sum is made 1):

        V_J = sum_ab P_ab^2,   V_M = sum_ab (p_a q_b)^2,   V_C = sum_ab P_ab p_a q_b

    It is 0 if and only if P = p q^T. Of k equally likely clusters that two views agree on, I_CS is log k.
    Source: Principe, Information Theoretic Learning, 2010, chapter 2; Xu et al., "A novel measure for
    independent component analysis (ICA)", ICASSP 1998.

    Args:
        x, y: floats [N, d_x] and [N, d_y] of one dtype, row by row a pair.
        sigma_x, sigma_y: the kernel sizes, as sigma in `log_information_potential`, each of its own points.
        table: instead of x, y and the kernel sizes, numbers >= 0 [a, b] of which not all are 0, such as how
            often cluster a of one view goes with cluster b of another. It may hold expectations: soft
            assignments P = A^T B of two views A [N, a] and B [N, b].
        divergence: 'cauchy_schwarz' or 'euclidean'.
        block_size: as in `log_information_potential`; not for a table.

    Returns:
        Scalar of the dtype of x or of the table (float32 for whole numbers), differentiable.

    Raises:
        ValueError, TypeError: as `log_information_potential`; ValueError also if x and y differ in length, if
            a table is given with samples, or if it is not 2-D, has negative or infinite entries, or only
            zeros.

    See also: `cauchy_schwarz_divergence`, `conditional_cauchy_schwarz_divergence`.

    >>> from kmnist_itl.divergence import quadratic_mutual_information
    >>> round(float(quadratic_mutual_information(table=[[0.5, 0.0], [0.0, 0.5]])), 4)
    0.6931
    >>> round(float(quadratic_mutual_information(table=[[0.1, 0.3], [0.15, 0.45]])), 4)
    0.0
    """
    if divergence not in ("cauchy_schwarz", "euclidean"):
        raise ValueError(f"divergence must be 'cauchy_schwarz' or 'euclidean'; got {divergence!r}.")
    samples = {"x": x, "y": y, "sigma_x": sigma_x, "sigma_y": sigma_y}
    given = [name for name, value in samples.items() if value is not None]
    if table is not None:
        if given:
            raise ValueError(f"table goes without samples; got {', '.join(given)}, too.")
        return _information_of_table(table, divergence)
    if len(given) < 4:
        missing = ", ".join(name for name in samples if name not in given)
        raise ValueError(f"x, y, sigma_x and sigma_y, or a table, are needed; got no {missing}.")
    x, _, sigma_x, block_size, dtype = _checked(x, x, sigma_x, block_size)
    y, _, sigma_y, _, dtype_of_y = _checked(y, y, sigma_y, None, first="y")
    if dtype is not dtype_of_y:
        raise TypeError(f"x and y must have one dtype; got {dtype.name} and {dtype_of_y.name}.")
    _check_pairs(x=x, y=y)
    scaled_x, scaled_y = x / sigma_x, y / sigma_y
    both = tf.concat([scaled_x, scaled_y], axis=1)
    of_pairs, of_x, of_y = (
        _log_row_means(points, points, block_size) for points in (both, scaled_x, scaled_y)
    )
    joint, product = _log_mean(of_pairs), _log_mean(of_x) + _log_mean(of_y)
    crossed = _log_mean(of_x + of_y)
    if divergence == "cauchy_schwarz":
        return tf.cast(joint + product - 2 * crossed, dtype)
    peak = _log_peak(x, sigma_x) + _log_peak(y, sigma_y)
    return tf.cast(_euclidean(joint, product, crossed, peak), dtype)


def _information_of_table(table, divergence):
    table = _array("table", table)
    if table.shape.rank != 2 or 0 in table.shape:
        raise ValueError(f"table must be 2-D and not empty; got shape {table.shape}.")
    dtype = tf.float64 if table.dtype == tf.float64 else tf.float32
    table = tf.cast(table, tf.float64)
    total = tf.reduce_sum(table)
    if tf.executing_eagerly() and not (bool(tf.reduce_all(table >= 0)) and 0 < float(total) < math.inf):
        raise ValueError("table must hold finite numbers of at least 0, and not only zeros.")
    joint = table / total
    product = tf.reduce_sum(joint, axis=1, keepdims=True) * tf.reduce_sum(joint, axis=0, keepdims=True)
    apart = joint - product
    if divergence == "euclidean":
        return tf.cast(tf.reduce_sum(tf.square(apart)), dtype)
    return tf.cast(_cauchy_schwarz_of_vectors(product, apart), dtype)


def conditional_cauchy_schwarz_divergence(x_s, y_s, x_t, y_t, sigma_x, sigma_y, *, block_size=None):
    """The conditional Cauchy-Schwarz divergence between p_s(y|x) and p_t(y|x), from pairs of each, a scalar.

        D = log int p_s(y|x)^2 + log int p_t(y|x)^2 - 2 log int p_s(y|x) p_t(y|x)

    Each integral is a mean over the points of a sample, with Parzen windows inside. With the Gram matrices
    K of the x (K^st_ji = K_{sigma_x sqrt 2}(x^s_j - x^t_i)) and L of the y:

        D = log S_s + log S_t - log C_st - log C_ts
        S_s  = sum_j (sum_i K^s_ji L^s_ji) / (sum_i K^s_ji)^2
        C_st = sum_j (sum_i K^st_ji L^st_ji) / (sum_i K^s_ji sum_i K^st_ji)

    It is 0 for equal samples. It is an estimate and not bounded by 0: where the x of the two samples hardly
    overlap it can be negative, so do not let a model that moves x make it small on its own. Source: Yu et
    al., "The conditional Cauchy-Schwarz divergence with applications to time-series data and sequential
    decision making", IEEE TPAMI 47, 2025 (arXiv 2301.08970); their kernel size is our sigma sqrt 2.

    Args:
        x_s, y_s: floats [M, d_x] and [M, d_y], row by row a pair; all four samples of one dtype.
        x_t, y_t: floats [N, d_x] and [N, d_y].
        sigma_x, sigma_y: as sigma in `log_information_potential`, of all x and of all y.
        block_size: as in `log_information_potential`.

    Returns a differentiable scalar. Errors as in `log_information_potential`.
    See also: `cauchy_schwarz_divergence`, `quadratic_mutual_information`.

    >>> from kmnist_itl.divergence import conditional_cauchy_schwarz_divergence
    >>> x, y = [[0.0], [1.0]], [[0.0], [2.0]]
    >>> round(float(conditional_cauchy_schwarz_divergence(x, y, x, [[2.0], [0.0]], 0.5, 0.5)), 4)
    1.9163
    """
    x_s, x_t, sigma_x, block_size, dtype = _checked(x_s, x_t, sigma_x, block_size, first="x_s", second="x_t")
    y_s, y_t, sigma_y, _, dtype_of_y = _checked(y_s, y_t, sigma_y, None, first="y_s", second="y_t")
    if dtype is not dtype_of_y:
        raise TypeError(f"x_s and y_s must have one dtype; got {dtype.name} and {dtype_of_y.name}.")
    _check_pairs(x_s=x_s, y_s=y_s)
    _check_pairs(x_t=x_t, y_t=y_t)
    s, t = (x_s / sigma_x, y_s / sigma_y), (x_t / sigma_x, y_t / sigma_y)

    def row_means(one, other):
        """log sum_i K_ji and log sum_i K_ji L_ji for each j of one sample, but for their count."""
        return (
            _log_row_means(one[0], other[0], block_size),
            _log_row_means(tf.concat(one, axis=1), tf.concat(other, axis=1), block_size),
        )

    (k_s, kl_s), (k_t, kl_t), (k_st, kl_st), (k_ts, kl_ts) = (
        row_means(*pair) for pair in ((s, s), (t, t), (s, t), (t, s))
    )
    within = _log_mean(kl_s - 2 * k_s) + _log_mean(kl_t - 2 * k_t)
    return tf.cast(within - _log_mean(kl_st - k_s - k_st) - _log_mean(kl_ts - k_t - k_ts), dtype)


def generalized_cauchy_schwarz_divergence(samples, sigma, *, block_size=None):
    """The generalized Cauchy-Schwarz divergence of two or more samples, a scalar.

        D = 1/m sum_t log int p_t^m - log int p_1 p_2 ... p_m

    With V_tk(j) = 1/N_k sum_i K_{sigma sqrt 2}(x^t_j - x^k_i), the Parzen estimate p_k at the points of t:

        D = 1/m sum_t log(1/N_t sum_j V_tt(j)^(m-1)) - log(1/m sum_t 1/N_t sum_j prod_{k != t} V_tk(j))

    It is 0 for equal samples, and half of `cauchy_schwarz_divergence` for two. Source: Lu, Yu et al.,
    "Generalized Cauchy-Schwarz divergence: efficient estimation and applications in deep learning",
    Neurocomputing 2025 (arXiv 2405.04061).

    Args:
        samples: two or more arrays of floats [N_t, d] of one dtype.
        sigma: as in `log_information_potential`, of the points of all samples.
        block_size: as in `log_information_potential`.

    Returns a differentiable scalar. Errors as in `log_information_potential`; ValueError also for fewer than
    two samples. See also: `cauchy_schwarz_divergence`.

    >>> from kmnist_itl.divergence import generalized_cauchy_schwarz_divergence
    >>> round(float(generalized_cauchy_schwarz_divergence([[[0.0]], [[1.0]], [[2.0]]], sigma=1.0)), 4)
    0.9335
    """
    samples = list(samples)
    if len(samples) < 2:
        raise ValueError(f"samples must hold at least two arrays of points; got {len(samples)}.")
    names = [f"samples[{number}]" for number in range(len(samples))]
    checked = [
        _checked(samples[0], sample, 1.0, block_size, first=names[0], second=name)
        for sample, name in zip(samples[1:], names[1:], strict=True)
    ]
    points, (block_size, dtype) = [checked[0][0], *(each[1] for each in checked)], checked[0][3:]
    sigma = _kernel_size(_check_sigma(sigma), *points)
    points = [sample / sigma for sample in points]
    count = len(points)
    within, across = 0.0, []
    for t, sample in enumerate(points):
        rows = [_log_row_means(sample, other, block_size) for other in points]
        within += _log_mean((count - 1) * rows[t]) / count
        across.append(_log_mean(sum(row for k, row in enumerate(rows) if k != t)))
    return tf.cast(within - _log_mean(tf.stack(across)), dtype)


def divergence_from_gaussians(
    x, means, spread, sigma, *, weights=None, covariances=None, x_weights=None, block_size=None
):
    """The CSD between a sample and a mixture of Gaussians, sum_j w_j N(m_j, C_j), without sampling it.

    This is what `cauchy_schwarz_divergence(x, y, sigma)` tends to as a sample y of the mixture grows. Under
    an expectation over a Gaussian the kernel stays a Gaussian and becomes wider:

        CSD = log(V(X) V(M) / V(X, M)^2)
        V(X, M) = 1/N sum_ij w_j N(x_i; m_j, 2 sigma^2 I + C_j)
        V(M)    = sum_jl w_j w_l N(m_j; m_l, 2 sigma^2 I + C_j + C_l)

    Memory grows with N k d besides the N^2 of V(X); with covariances also with k^2 d^2.

    Args:
        x: floats [N, d].
        means: floats [k, d] of the same dtype, the m_j.
        spread: float from 0 to 1e30, or k of them: the standard deviation s_j of each Gaussian along each
            axis, C_j = s_j^2 I. None if covariances are given.
        sigma: as in `log_information_potential`.
        weights: None for equal ones; or k floats from 0 to 1e30, the w_j, which are divided by their sum.
        covariances: None, or floats [k, d, d] up to 1e30, the C_j: symmetric, without eigenvalues below 0.
        x_weights: those of x, as in `log_information_potential`.
        block_size: as in `log_information_potential`, for V(X).

    Returns and raises as `cauchy_schwarz_divergence`. ValueError also if spread, weights or covariances are
    out of range, of another shape or tensors of a graph, or if not exactly one of spread and covariances is
    given. See also: `Gaussian` and `GaussianMixture` in priors.py, which have what it takes.

    >>> from kmnist_itl.divergence import divergence_from_gaussians
    >>> round(float(divergence_from_gaussians([[0.0]], [[1.0]], spread=1.0, sigma=1.0)), 4)
    0.3922
    >>> wide = [[[4.0, 0.0], [0.0, 1.0]]]
    >>> round(float(divergence_from_gaussians([[0.0, 0.0]], [[1.0, 0.0]], None, 1.0, covariances=wide)), 4)
    0.5195
    """
    x, means, sigma, block_size, dtype = _checked(x, means, sigma, block_size, second="means")
    variances, axes, pair_variances, pair_axes = _principal_axes(spread, covariances, means.shape)
    weights = _mixture_weights(weights, means)
    n = tf.cast(tf.shape(x)[0], tf.float64)
    a, _ = _checked_weights(x, x, x_weights, x_weights)
    how = _how(x, x, sigma, dtype, block_size, a, a)
    _, reach, in_pairs, _ = how
    # The kernel's peak cancels and is left out.
    within_x = _log_mean_exp(x, x, *how, a, a)
    # The exponents of V(X) are off by the rounding of 1 / (2 sigma), all alike. Let the other terms share it.
    rounded = 0.5 / tf.cast(1 / (2 * tf.cast(sigma, in_pairs)), tf.float64)
    sigma = tf.where(_is_wide(reach), sigma, rounded)
    within_means = _log_of_gaussians(
        means[:, None] - means, pair_variances, pair_axes, weights[:, None] * weights, sigma
    )
    shares = weights / n if a is None else a[:, None] * weights / n
    across = _log_of_gaussians(x[:, None] - means, variances, axes, shares, sigma)
    return tf.cast(within_x + within_means - 2 * across, dtype)


def _log_of_gaussians(differences, variances, axes, weights, sigma):
    """log sum_ij w_ij N(u_ij; 0, 2 sigma^2 I + C_ij) / K_{sigma sqrt 2}(0), in float64.

    Args:
        differences: [n, k, d], the u_ij.
        variances, axes: those of C_ij, or of C_j; from `_principal_axes`.
        weights: [n, k], or [k] where all rows have the same, the w_ij; their sum over the rows, too, is 1.
        sigma: the kernel size.
    """
    window = 2 * tf.square(tf.convert_to_tensor(sigma, tf.float64))
    if axes is not None:
        equation = "nkd,kde->nke" if axes.ndim == 3 else "nkd,nkde->nke"
        differences = tf.einsum(equation, differences, axes)
    # Each Gaussian is exp(t_ij) in units of the kernel's peak; log1p and expm1 keep what is near 0.
    terms = tf.math.log1p(variances / window) + tf.square(differences) / (window + variances)
    t = -0.5 * tf.reduce_sum(terms, axis=-1)
    excess = tf.reduce_sum(weights * tf.math.expm1(t))

    def of_far_ones():
        largest = tf.stop_gradient(tf.reduce_max(tf.where(weights > 0, t, -math.inf)))
        whole = tf.reduce_sum(tf.math.multiply_no_nan(tf.exp(t - largest), weights + tf.zeros_like(t)))
        return tf.math.log(whole) + largest

    return tf.cond(excess > -0.5, lambda: tf.math.log1p(excess), of_far_ones)


def _principal_axes(spread, covariances, shape):
    """For the k Gaussians the variances along their principal axes and the axes, then those of each two.

    Float64 NumPy arrays: variances [k, d] and axes [k, d, d] (in columns) of C_j, then [k, k, d] and
    [k, k, d, d] of C_j + C_l. Of a spread: [k, 1] or [1, 1] and None, as any axes will do.
    """
    components, dim = shape
    if covariances is None:
        variances = np.square(_spreads(spread, components))[:, None]
        return variances, None, variances[:, None] + variances, None
    if spread is not None:
        raise ValueError(f"spread must be None if covariances are given; got {spread!r}.")
    covariances = _constants("covariances", covariances, [components, dim, dim])
    transposed = covariances.transpose(0, 2, 1)
    largest = np.abs(covariances).max(axis=(1, 2))
    symmetric = np.abs(covariances - transposed).max(axis=(1, 2)) <= 1e-6 * largest
    if not symmetric.all():
        raise ValueError(f"covariances must be symmetric; covariances[{np.argmin(symmetric)}] is not.")
    covariances = (covariances + transposed) / 2
    lowest = np.linalg.eigvalsh(covariances)[:, 0]
    if (lowest < -1e-6 * largest).any():
        worst = np.argmax(lowest < -1e-6 * largest)
        raise ValueError(
            f"covariances must have no eigenvalue below 0; covariances[{worst}] has {lowest[worst]:.3g}."
        )
    variances, axes = np.linalg.eigh(covariances)
    pair_variances, pair_axes = np.linalg.eigh(covariances[:, None] + covariances)
    return np.maximum(variances, 0), axes, np.maximum(pair_variances, 0), pair_axes


def _spreads(spread, components):
    """The spreads as [1] or [components]."""
    if getattr(spread, "ndim", int(isinstance(spread, list | tuple))) == 0:
        return np.array([_at_least_0("spread", spread)])
    return _constants("spread", spread, [components], at_least=0)


def _mixture_weights(weights, means):
    """The weights w_j of the k means as a float64 tensor [k], of sum 1."""
    if weights is None:
        count = tf.shape(means)[0]
        return tf.ones([count], tf.float64) / tf.cast(count, tf.float64)
    weights = _constants("weights", weights, [means.shape[0]], at_least=0)
    if weights.sum() == 0:
        raise ValueError("weights must not all be 0: one at least must be above 0.")
    return tf.constant(weights / weights.sum())


def _constants(name, values, shape, at_least=-1e30):
    """`values` as a float64 NumPy array of that shape, in which None is any size."""
    wanted = f"numbers of shape [{', '.join('k' if size is None else str(size) for size in shape)}]"
    try:
        array = np.asarray(values)
        if array.dtype.kind in "bcOSUmM":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, NotImplementedError) as error:  # the last of a tensor of a graph
        raise ValueError(
            f"{name} must be {wanted} that are no part of a graph; got {type(values).__name__}."
        ) from error
    fits = array.ndim == len(shape) and 0 not in array.shape
    if not fits or any(size not in (None, found) for size, found in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must be {wanted}; got shape {array.shape}.")
    bad = array[~((array >= at_least) & (array <= 1e30))]
    if bad.size:
        raise ValueError(f"{name} must lie between {at_least:g} and 1e30; got {bad[0]:g}.")
    return array


def fourier_divergence(x, y, sigma, *, features=400, seed=None, x_weights=None, y_weights=None):
    """The Cauchy-Schwarz divergence by random Fourier features: an approximation of linear cost.

    With frequencies w_k ~ N(0, I / (2 sigma^2)) the kernel is exp(-|u|^2 / (4 sigma^2)) = E cos(w^T u). So
    V(X, Y) / K(0) is about a^T b / K, with a the means over x of cos(w_k^T x) and of sin(w_k^T x), b those
    over y, and CSD = log(|a|^2 |b|^2 / (a^T b)^2). The same frequencies serve all three potentials. Source:
    Rahimi and Recht, "Random features for large-scale kernel machines", NIPS 2007.

    With 400 features the value is off by about 5% and the gradient by about 13%, if the samples overlap
    (three dimensions, sigma as wide as the sample; benchmarks/csd.txt). It is faster than the exact
    divergence only above 4,000 points. Where the kernel is narrow beside the spread, the error is much
    larger; of samples far apart it cannot tell how far.

    Args:
        x, y, sigma, x_weights, y_weights: as in `log_information_potential`.
        features: int >= 1, the number of frequencies, K. The error falls as 1/sqrt(K).
        seed: None for fresh frequencies, or an int of 64 bits, or a tensor of two ints.

    Returns and raises as `cauchy_schwarz_divergence`; ValueError also if features or seed is none of these.

    >>> from kmnist_itl.divergence import fourier_divergence
    >>> exact, near = 0.5, fourier_divergence([[0.0]], [[1.0]], sigma=1.0, features=100_000, seed=0)
    >>> abs(float(near) - exact) < 0.02
    True
    """
    x, y, sigma, _, dtype = _checked(x, y, sigma, None)
    shape = [tf.shape(x)[1], _check_features(features)]
    if seed is None:
        normals = tf.random.normal(shape, dtype=tf.float32)
    else:
        pair = [2, _check_seed(seed)] if not _is_pair(seed) else tf.cast(seed, tf.int32)
        normals = tf.random.stateless_normal(shape, pair, alg="philox")
    frequencies = tf.cast(normals, dtype) / tf.cast(math.sqrt(2) * sigma, dtype)
    weights_of_x, weights_of_y = _checked_weights(x, y, x_weights, y_weights)
    # Off the origin the phases would be large, and their last digits lost.
    centre = tf.stop_gradient(_mean(x, weights_of_x))

    def means(points, weights):
        phases = tf.matmul(tf.cast(points - centre, dtype), frequencies)
        weights = None if weights is None else tf.cast(weights, dtype)
        parts = [_mean(function(phases), weights) for function in (tf.cos, tf.sin)]
        return tf.cast(tf.concat(parts, axis=0), tf.float64)

    a, b = means(x, weights_of_x), means(y, weights_of_y)
    return tf.cast(_cauchy_schwarz_of_vectors(a, b - a), dtype)


def _check_features(features):
    number = _whole(features)
    if number is None or not 1 <= number < 2**31:
        raise ValueError(f"features must be a whole number of at least 1; got {features!r}.")
    return number


def _is_pair(seed):
    return tf.is_tensor(seed) and seed.dtype.is_integer and seed.shape.is_compatible_with([2])


def _check_seed(seed):
    number = _whole(seed)
    if number is None or not -(2**63) <= number < 2**63:
        raise ValueError(f"seed must be None or an int of 64 bits; got {seed!r}.")
    return number


def parzen_density(points, x, sigma):
    """The Parzen window estimate p(x) = 1/N sum_i K_sigma(x - x_i) of a density (the paper's section II.D.a).

    Args:
        points: floats [m, d], the places x where the density is asked for.
        x: floats [N, d], the sample x_i, of the same dtype.
        sigma: the size of the kernel K_sigma at each x_i, a float; or 'silverman', 'median' or a function as
            in `log_information_potential`, of x alone.

    Returns:
        Densities [m]. Errors as in `log_information_potential`. See also: `silverman_kernel_size`.

    >>> from kmnist_itl.divergence import parzen_density
    >>> [round(float(density), 4) for density in parzen_density([[0.0], [1.0]], [[0.0]], sigma=1.0)]
    [0.3989, 0.242]
    """
    sigma = _check_sigma(sigma)
    points, x, _, _, dtype = _checked(points, x, 1.0, None, first="points", second="x")
    sigma = _kernel_size(sigma, x) / math.sqrt(2)  # the potentials' kernel K_{s sqrt 2} is K_sigma at this s
    exponents = _exponents(_coordinates(points, dtype), _coordinates(x, dtype), tf.cast(sigma, dtype))
    peak = tf.cast(_log_peak(x, sigma), dtype)
    count = tf.cast(tf.shape(x)[0], dtype)
    # exp(log sum_i exp(e_i) - log N + log K_sigma(0))
    return tf.exp(tf.reduce_logsumexp(exponents, axis=0) - tf.math.log(count) + peak)


@keras.saving.register_keras_serializable(package="kmnist_itl")
class CauchySchwarzRegularizer(keras.layers.Layer):
    """Keras layer: hands its input on and adds a divergence to the loss (the paper's section II.D).

        loss = reconstruction loss + lambda CSD(codes||prior)

    By `divergence` it is the CSD; the Euclidean divergence V(X) + V(Y) - 2 V(X, Y) of codes X and prior Y; or
    -H_2(X), which spreads the codes whatever the prior.

    The divergence is one of the whole batch, and so it is added as it is, not divided by the batch size. It
    shows up as the metric "csd" ("euclidean"; "entropy" for H_2), averaged over the batches of an epoch, in
    training and in validation, and a sigma that follows the codes as the metric "sigma". In a model with
    several such layers each metric has its layer's name before it: a layer with name="inner" logs
    "inner_csd". (A train_step of your own that calls them one by one hides them from each other: set
    `layer.csd.name`.)

    Under tf.distribute.MirroredStrategy each replica compares its own part of the batch with draws of its
    own, and the loss has the mean of the replicas' divergences. That is not the divergence of the whole
    batch: a sample of N points has some even from its own density, about in proportion to 1/N, so keep the
    batch of each replica as large as the one that lambda was chosen for. A replica that gets no points, as
    of a last batch of one, adds 0 to the loss and nothing to the metric.

    The divergence is computed in float32, of float64 codes in float64, and is added to the loss in Keras'
    floatx, whatever the layer's dtype.

    Args:
        prior: what the codes are pulled towards: an object with `dim`, `sample(n, seed)` and `get_config()`,
            as in priors.py.
        sigma: the kernel size: a float from 1e-30 to 1e30; or 'silverman', 'median' or a function as in
            `log_information_potential`, taken in each batch of codes and prior together. To be saved, a
            function must be registered with Keras.
        weight: float from 0 to 1e30, the paper's lambda.
        divergence: 'cauchy_schwarz', the paper's, 'euclidean' or 'entropy'.
        estimator: 'sample', the paper's, which draws as many points from the prior as the batch has, fresh in
            each step; 'closed_form', for priors that are Gaussians, without their sampling noise; or
            'fourier', `fourier_divergence` with fresh frequencies in each step. The last two are for the CSD.
        features: int >= 1, how many frequencies 'fourier' has.
        seed: None, or an int of 64 bits that decides the draws; under XLA they are others than without it.
        block_size: as in `log_information_potential`.
        **kwargs: as of keras.layers.Layer, such as name and dtype.

    Raises:
        ValueError: an argument is out of range or no choice; an estimator that the divergence does not have;
            codes that are not [n, prior.dim].
        TypeError: prior is a class or cannot be sampled, or has no closed form when it is asked for.

    See also: `cauchy_schwarz_divergence`; `kmnist_itl.priors` for the priors.

    >>> from kmnist_itl import divergence, priors
    >>> import keras
    >>> regularizer = divergence.CauchySchwarzRegularizer(priors.SwissRoll(), sigma=1.0, weight=10.0)
    >>> encoder, decoder = keras.layers.Dense(3), keras.layers.Dense(20)
    >>> model = keras.Sequential([keras.Input((20,)), encoder, regularizer, decoder])
    >>> model.compile("adam", "mean_squared_error")
    >>> sorted(model.fit(keras.ops.ones((8, 20)), keras.ops.ones((8, 20)), verbose=0).history)
    ['csd', 'loss']
    """

    def __init__(
        self,
        prior,
        sigma,
        weight=1.0,
        *,
        divergence="cauchy_schwarz",
        estimator="sample",
        features=400,
        seed=None,
        block_size=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if divergence not in DIVERGENCES:
            raise ValueError(
                f"divergence must be one of {', '.join(map(repr, DIVERGENCES))}; got {divergence!r}."
            )
        if isinstance(prior, type):
            raise TypeError(
                f"prior must be an object, not its class: {prior.__name__}() instead of {prior!r}."
            )
        if not callable(getattr(prior, "sample", None)) or not hasattr(prior, "dim"):
            raise TypeError(f"prior must have dim and sample(n, seed), as in priors.py; got {prior!r}.")
        if estimator not in ESTIMATORS:
            raise ValueError(
                f"estimator must be one of {', '.join(map(repr, ESTIMATORS))}; got {estimator!r}."
            )
        has_width = hasattr(prior, "spread") or hasattr(prior, "covariances")
        if estimator == "closed_form" and not (hasattr(prior, "means") and has_width):
            raise TypeError(
                "estimator='closed_form' needs a prior of Gaussians, with means and spread or covariances; "
                f"got {prior!r}."
            )
        seed = None if seed is None else _check_seed(seed)
        if estimator != "sample" and divergence != "cauchy_schwarz":
            raise ValueError(
                f"estimator={estimator!r} goes with divergence='cauchy_schwarz' only; "
                f"got divergence={divergence!r}. Leave the estimator out."
            )
        self.prior, self.sigma, self.weight = prior, _check_sigma(sigma), _at_least_0("weight", weight)
        self.divergence, self.estimator = divergence, estimator
        self.features, self.seed = _check_features(features), seed
        self.block_size = _check_block_size(block_size)
        self.draws = keras.random.SeedGenerator(seed)
        self.csd = keras.metrics.Mean(name=DIVERGENCES[divergence])
        if not isinstance(self.sigma, float):
            self.kernel_size = keras.metrics.Mean(name="sigma")

    def build(self, input_shape):
        shape = tuple(input_shape) if isinstance(input_shape, list | tuple) else input_shape
        if shape is None or len(shape) != 2 or shape[-1] != self.prior.dim:
            raise ValueError(f"codes must be [n, {self.prior.dim}], as the prior; got {shape}.")

    def compute_output_shape(self, input_shape):
        # Keras would else trace `call` to find out: half a second for each model that is built.
        return input_shape

    def call(self, codes):
        company = f"{self.name}_" if self._has_company() else ""
        self.csd.name = f"{company}{DIVERGENCES[self.divergence]}"
        points = codes if codes.dtype == tf.float64 else tf.cast(codes, tf.float32)
        nothing = tf.zeros([], points.dtype)
        csd, sigma = (nothing, nothing) if points.shape[0] == 0 else self._divergence(points)
        # A replica's share of the last batch can be empty: its divergence would be NaN.
        filled = tf.shape(points)[0] > 0
        csd = tf.where(filled, csd, tf.zeros_like(csd))
        self.add_loss(tf.cast(self.weight * csd, keras.config.floatx()))  # as Keras' own losses
        counts = tf.cast(filled, self.csd.dtype)
        # What is shown of the entropy is H_2 itself; its negative is what is made small.
        self.csd.update_state(-csd if self.divergence == "entropy" else csd, sample_weight=counts)
        if not isinstance(self.sigma, float):
            self.kernel_size.name = f"{company}sigma"
            self.kernel_size.update_state(tf.where(filled, sigma, tf.zeros_like(sigma)), sample_weight=counts)
        return codes

    def _divergence(self, points):
        """The divergence of codes that are there, and the kernel size that it was taken with."""
        follows = not isinstance(self.sigma, float)
        if self.estimator == "closed_form" and not follows:
            return self._closed_form(points, self.sigma), self.sigma
        sample = self.prior.sample(tf.shape(points)[0], seed=self._next_seed())
        # Through a product that changes nothing, since XLA fuses no draws across one: without it each
        # point would be drawn again for every pair that it is in (measured: 30 ms a step instead of 2).
        identity = tf.eye(self.prior.dim, dtype=tf.float64)
        sample = tf.cast(tf.matmul(tf.cast(sample, tf.float64), identity), points.dtype)
        sigma = self.sigma
        if follows:
            sigma = _kernel_size(sigma, tf.cast(points, tf.float64), tf.cast(sample, tf.float64))
        if self.estimator == "closed_form":
            found = self._closed_form(points, sigma)
        elif self.estimator == "fourier":
            how = {"features": self.features, "seed": self._next_seed()}
            found = fourier_divergence(points, sample, sigma, **how)
        elif self.divergence == "entropy":
            found = -renyi_entropy(points, sigma, block_size=self.block_size)
        else:
            function = {"cauchy_schwarz": cauchy_schwarz_divergence, "euclidean": euclidean_divergence}
            found = function[self.divergence](points, sample, sigma, block_size=self.block_size)
        return found, tf.cast(sigma, points.dtype)

    def _closed_form(self, points, sigma):
        prior = self.prior
        return divergence_from_gaussians(
            points,
            tf.cast(prior.means, points.dtype),
            getattr(prior, "spread", None),
            sigma,
            weights=getattr(prior, "weights", None),
            covariances=getattr(prior, "covariances", None),
            block_size=self.block_size,
        )

    def _has_company(self):
        """Whether the model that is being called has another such layer: their metrics need two names."""
        layers = []
        with contextlib.suppress(AttributeError):  # Keras' own methods, and not for the public
            layers = self._get_call_context().entry_layer._flatten_layers()
        return any(isinstance(layer, CauchySchwarzRegularizer) and layer is not self for layer in layers)

    def _next_seed(self):
        seed = self.draws.next()
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:  # or all would draw the same points
            seed = tf.random.experimental.stateless_fold_in(
                tf.cast(seed, tf.int32), replica.replica_id_in_sync_group, alg="philox"
            )
        return seed

    def get_config(self):
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior),
            "sigma": _described(self.sigma),
            "weight": self.weight,
            "divergence": self.divergence,
            "estimator": self.estimator,
            "features": self.features,
            "seed": self.seed,
            "block_size": self.block_size,
        }

    @classmethod
    def from_config(cls, config):
        made = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("prior", "sigma")}
        return cls(**{**config, **made})


@keras.saving.register_keras_serializable(package="kmnist_itl")
def silverman_kernel_size(x):
    """Silverman's rule for the kernel size of a Parzen window, a float32 scalar in the units of x.

        sigma = s (4 / (N (d + 2)))^(1 / (d + 4)),   s^2 = mean over the coordinates of their variance

    The best for the density of a Gaussian sample of standard deviation s (Silverman, Density Estimation for
    Statistics and Data Analysis, 1986, section 4.3.2).

    Args:
        x: floats [N, d], N >= 2.

    Raises:
        ValueError, TypeError: as in `log_information_potential`; ValueError also if all points are the same.

    See also: `parzen_density`; `median_kernel_size`, which is much wider.

    >>> from kmnist_itl.divergence import silverman_kernel_size
    >>> round(float(silverman_kernel_size([[0.0], [1.0], [3.0]])), 4)
    1.2988
    """
    x = _sample(x)
    n, dim = (tf.cast(size, tf.float64) for size in tf.unstack(tf.shape(x)))
    spread = tf.sqrt(tf.reduce_mean(tf.math.reduce_variance(x, axis=0)) * n / (n - 1))
    return tf.cast(_above_zero(spread) * (4 / (n * (dim + 2))) ** (1 / (dim + 4)), tf.float32)


@keras.saving.register_keras_serializable(package="kmnist_itl")
def median_kernel_size(x, *, most=1_000):
    """The median-distance rule for the kernel size of information potentials, a float32 scalar.

        sigma = median_{i<j} |x_i - x_j| / sqrt 2

    Their kernel K_{sigma sqrt 2} is then as wide as the median distance between two points. It sees where the
    sample lies, not its details (Gretton et al., A Kernel Two-Sample Test, JMLR 13, 2012, section 8, use the
    rule for another kernel statistic).

    Args:
        x: floats [N, d], N >= 2; for the divergence of two samples, both in one array.
        most: int >= 2; of more points than that, so many spread evenly over the rows are looked at.

    Raises as `silverman_kernel_size`; ValueError also if most < 2.
    See also: `silverman_kernel_size`, which is much narrower.

    >>> from kmnist_itl.divergence import median_kernel_size
    >>> round(float(median_kernel_size([[0.0], [1.0], [3.0]])), 4)
    1.4142
    """
    number = _whole(most)
    if number is None or number < 2:
        raise ValueError(f"most must be a whole number of at least 2; got {most!r}.")
    x = _sample(x)
    n = tf.shape(x, out_type=tf.int64)[0]
    rows = tf.minimum(n, min(number, 2**31 - 1))
    x = tf.gather(x, tf.range(rows) * (n - 1) // tf.maximum(rows - 1, 1))
    distances = tf.sqrt(-4 * _exponents(tf.transpose(x), tf.transpose(x), 1.0))
    # Each pair once. The others go to the end: XLA knows no arrays whose size depends on values.
    once = tf.range(rows)[:, None] < tf.range(rows)[None, :]
    apart = tf.sort(tf.reshape(tf.where(once, distances, math.inf), [-1]))
    apart = tf.concat([apart, [math.nan]], axis=0)  # for an empty share of a batch
    count = rows * (rows - 1) // 2
    median = tf.reduce_mean(tf.gather(apart, [tf.maximum(count - 1, 0) // 2, count // 2]))
    return tf.cast(_above_zero(median) / math.sqrt(2), tf.float32)


# Of a batch the median looks at 200 points: to sort the distances of 1,000 takes longer than a training step.
KERNEL_SIZE_RULES = {
    "silverman": silverman_kernel_size,
    "median": functools.partial(median_kernel_size, most=200),
}


def check_kernel_size(sigma):
    """Return `sigma` as a float; raise a ValueError unless it lies between 1e-30 and 1e30.

    >>> from kmnist_itl.divergence import check_kernel_size
    >>> check_kernel_size(2)
    2.0
    """
    value = _number(sigma)
    if not 1e-30 <= value <= 1e30:  # beyond, its square has no room in float32
        raise ValueError(f"sigma, the kernel size, must lie between 1e-30 and 1e30; got {sigma!r}.")
    return value


def _number(value):
    """`value`, a number of Python, NumPy or a tensor, as a float; NaN if it is none."""
    real = isinstance(value, numbers.Real) or not isinstance(value, numbers.Complex | str | bytes)
    try:
        return float(value) if real else math.nan
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _at_least_0(name, value):
    number = _number(value)
    if not 0 <= number <= 1e30:
        raise ValueError(f"{name} must be a finite number of at least 0 and at most 1e30; got {value!r}.")
    return number


def _whole(value):
    """`value`, a whole number of Python, NumPy or a tensor, as an int; None if it is none."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except (TypeError, AttributeError):  # the latter of a tensor of floats
        return None


def _check_block_size(block_size):
    if block_size is None:
        return None
    number = _whole(block_size)
    if number is None or number < 1:
        raise ValueError(f"block_size must be None or a whole number of at least 1; got {block_size!r}.")
    return min(number, 2**31 - 1)


def _tensor(name, points):
    """`points` as a tensor of floats [n, d]."""
    try:
        points = tf.convert_to_tensor(points)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be an array of floats [points, dimensions]; got {type(points).__name__}, "
            "which TensorFlow cannot make a tensor of."
        ) from error
    if not points.dtype.is_floating:
        raise TypeError(f"{name} must hold floats; got dtype {points.dtype.name}. Convert it first.")
    if points.shape.rank is None:
        raise ValueError(f"{name} must be 2-D; got a tensor of unknown rank: call ensure_shape on it first.")
    if points.shape.rank != 2:
        raise ValueError(f"{name} must be 2-D, [points, dimensions]; got shape {tuple(points.shape)}.")
    return points


def _array(name, values):
    """`values` as a tensor of floats or whole numbers."""
    try:
        values = tf.convert_to_tensor(values)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of numbers; got {type(values).__name__}.") from error
    if not (values.dtype.is_floating or values.dtype.is_integer):
        raise TypeError(f"{name} must be an array of numbers; got dtype {values.dtype.name}.")
    return values


def _checked(x, y, sigma, block_size, *, first="x", second="y"):
    """x and y as float64 tensors, sigma, block_size, and the dtype that pairs are worked on in."""
    sigma, block_size = _check_sigma(sigma), _check_block_size(block_size)
    one_sample = x is y
    x = _tensor(first, x)
    y = x if one_sample else _tensor(second, y)
    for name, points in ((first, x), (second, y)):
        if 0 in points.shape:
            raise ValueError(f"{name} must not be empty; got shape {tuple(points.shape)}.")
        if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(points))):
            raise ValueError(f"{name} must be finite; it holds NaN or infinity.")
    if x.dtype != y.dtype:
        raise TypeError(f"{first} and {second} must have one dtype; got {x.dtype.name} and {y.dtype.name}.")
    if None not in (x.shape[1], y.shape[1]) and x.shape[1] != y.shape[1]:
        raise ValueError(
            f"{first} and {second} must have as many dimensions; got {x.shape[1]} and {y.shape[1]}."
        )
    dtype = tf.float64 if x.dtype == tf.float64 else tf.float32
    # Exact: a float64 holds every float32. The gradients of the three logs must cancel in it, too.
    x = tf.cast(x, tf.float64)
    y = x if one_sample else tf.cast(y, tf.float64)
    return x, y, _kernel_size(sigma, x, y), block_size, dtype


def _check_sigma(sigma):
    """A rule's name or a function as it is, a number as a float; else the ValueError of a bad kernel size."""
    if isinstance(sigma, str) and sigma not in KERNEL_SIZE_RULES:
        rules = " or ".join(map(repr, KERNEL_SIZE_RULES))
        raise ValueError(f"sigma, the kernel size, must be a number, {rules}, or a function; got {sigma!r}.")
    function = callable(sigma) and not isinstance(sigma, type)
    unknown = tf.is_tensor(sigma) and not hasattr(sigma, "numpy")  # until the graph runs
    return sigma if isinstance(sigma, str) or function or unknown else check_kernel_size(sigma)


def _kernel_size(sigma, *samples):
    """sigma as a float64 scalar; a rule or a function is asked about all points of the samples."""
    if isinstance(sigma, float):
        return tf.constant(sigma, tf.float64)
    if tf.is_tensor(sigma):
        return tf.reshape(tf.stop_gradient(tf.cast(sigma, tf.float64)), [])
    rule = KERNEL_SIZE_RULES[sigma] if isinstance(sigma, str) else sigma
    once = [x for number, x in enumerate(samples) if not any(x is other for other in samples[:number])]
    points = tf.stop_gradient(tf.concat(once, axis=0))
    try:
        found = tf.convert_to_tensor(rule(points))
    except (TypeError, NotImplementedError) as error:
        raise ValueError(
            f"sigma must be made of TensorFlow ops and return a number; {rule!r} does not."
        ) from error
    if found.shape.num_elements() != 1 or not (found.dtype.is_floating or found.dtype.is_integer):
        returned = f"{found.dtype.name} {tuple(found.shape)}"
        raise ValueError(f"sigma, a function, must return one number; it returned {returned}.")
    found = tf.reshape(tf.stop_gradient(tf.cast(found, tf.float64)), [])
    if tf.executing_eagerly():
        check_kernel_size(float(found))
    return found


def _described(sigma):
    """sigma as a file of a model describes it."""
    name = callable(sigma) and keras.saving.get_registered_name(sigma)
    if name and keras.saving.get_registered_object(name) is not sigma:
        raise ValueError(
            f"sigma is {sigma!r}, a function that no file can describe. Decorate it with "
            "@keras.saving.register_keras_serializable() before you save or copy the model."
        )
    return keras.saving.serialize_keras_object(sigma)


def _checked_weights(x, y, x_weights, y_weights):
    """The weights of x and of y, float64 [n] of mean 1, or None where there are none."""
    if x_weights is None and y_weights is None:
        return None, None
    a = _weights("x_weights", x_weights, x)
    return a, a if y is x and y_weights is x_weights else _weights("y_weights", y_weights, y)


def _weights(name, weights, points):
    n = tf.shape(points)[0]
    if weights is None:
        return tf.ones([n], tf.float64)
    weights = _array(name, weights)
    if not weights.shape.is_compatible_with(points.shape[:1]):
        raise ValueError(
            f"{name} must hold a number for each point, shape [{points.shape[0]}]; got shape {weights.shape}."
        )
    weights = tf.cast(weights, tf.float64)
    total = tf.reduce_sum(weights)
    if tf.executing_eagerly():
        if not bool(tf.reduce_all(weights >= 0)) or not math.isfinite(float(total)):
            raise ValueError(f"{name} must be finite and at least 0; the least is {tf.reduce_min(weights)}.")
        if not float(total) > 0:
            raise ValueError(f"{name} must not all be 0.")
    return weights * tf.cast(n, tf.float64) / total


def _sample(x):
    """x as float64 [n, d], of at least two points."""
    x = _checked(x, x, 1.0, None)[0]
    if x.shape[0] == 1:
        raise ValueError("x must hold at least two points; got one.")
    return x


def _above_zero(width):
    if tf.executing_eagerly() and not width > 0:
        raise ValueError("x must hold different points: a kernel size of 0 is of no use.")
    return width


def _log_peak(x, sigma):
    """log K_{sigma sqrt 2}(0) = -d/2 log(4 pi sigma^2), the log of the kernel's peak, in float64."""
    dim, sigma = (tf.cast(number, tf.float64) for number in (tf.shape(x)[1], sigma))
    return -0.5 * dim * tf.math.log(4 * math.pi * sigma**2)


def _exponents(x, y, sigma):
    """e_ij = -|x_i - y_j|^2 / (4 sigma^2) in row j, column i; x [d, n] and y [d, m] are `_coordinates`."""
    scale = 1 / (2 * sigma)
    if x.shape[0] is not None and x.shape[0] <= _COORDINATES:
        return -sum(tf.square((x[k][None, :] - y[k][:, None]) * scale) for k in range(x.shape[0]))
    # Written out, hundreds of coordinates take minutes to compile; in one reduction, the differences of all
    # pairs lie in memory at once. The coordinates that are padded add nothing.
    loops = (tf.shape(x)[0] + _COORDINATES - 1) // _COORDINATES
    padding = [[0, loops * _COORDINATES - tf.shape(x)[0]], [0, 0]]
    x, y = (
        tf.reshape(tf.pad(points, padding), [loops, _COORDINATES, tf.shape(points)[1]]) for points in (x, y)
    )

    def add_some(loop, total):
        differences = (x[loop][:, None, :] - y[loop][:, :, None]) * scale
        return loop + 1, total - tf.reduce_sum(tf.square(differences), axis=0)

    total = tf.zeros([tf.shape(y)[2], tf.shape(x)[2]], x.dtype)
    return tf.while_loop(lambda loop, _: loop < loops, add_some, (0, total), parallel_iterations=1)[1]


def _coordinates(points, dtype):
    """Points [n, d] as [d, n]: each coordinate's values one after the other, as the work on pairs reads them.

    Call it outside of what tf.cond may skip, or XLA converts and fetches each number anew for each pair.
    """
    return tf.transpose(tf.cast(points, dtype))


def _reach(x, y, sigma, a=None, b=None):
    """How many sigma the points lie from their common centre at most, float64: it decides how to compute.

    Points of weight 0 do not count.
    """
    x, y = tf.stop_gradient(x), tf.stop_gradient(y)
    centre = (_mean(x, a) + _mean(y, b)) / 2

    def farthest(points, weights):
        distances = tf.norm(points - centre, axis=1)
        return tf.reduce_max(distances if weights is None else tf.where(weights > 0, distances, 0))

    return tf.maximum(farthest(x, a), farthest(y, b)) / sigma


def _is_wide(reach):
    """Whether all exponents, also those within x and within y, are small enough for the Taylor polynomial."""
    return reach < math.sqrt(_WIDE)


def _log_mean_exp(x, y, sigma, reach, dtype, block_size, a=None, b=None):
    """log(1/(N_X N_Y) sum_ij a_i b_j exp(e_ij)), e_ij = -|x_i - y_j|^2 / (4 sigma^2); all are float64.

    The weights a and b have mean 1; both are given, or neither.
    """
    how = (sigma, reach, dtype, block_size)

    @tf.custom_gradient
    def self_pairs(x, *weights):
        value, slope, shares = _value_and_slope([x], [*weights], *how)

        def gradient(upstream):
            # x_i stands on both sides of the pairs, hence twice.
            slopes = [2 * slope, 2 * shares] if weights else [2 * slope]
            return [upstream * _once(one, x, *weights) for one in slopes]

        return value, gradient

    @tf.custom_gradient
    def pairs(x, y, *weights):
        value, slope, shares = _value_and_slope([x, y], [*weights], *how)

        def gradient(upstream):
            # Computed here and not above, so that nobody pays for y's who does not ask for them.
            _, slope_of_y, shares_of_y = _value_and_slope([y, x], [*weights[::-1]], *how)
            slopes = [slope, slope_of_y, shares, shares_of_y] if weights else [slope, slope_of_y]
            return [upstream * _once(one, x, y, *weights) for one in slopes]

        return value, gradient

    weights = [] if a is None else [a] if x is y and a is b else [a, b]
    return self_pairs(x, *weights) if x is y and len(weights) < 2 else pairs(x, y, *weights)


def _check_pairs(**samples):
    """Raise a ValueError unless the two samples have as many points."""
    (first, x), (second, y) = samples.items()
    n, m = x.shape[0], y.shape[0]
    if None not in (n, m) and n != m:
        raise ValueError(f"{first} and {second} must have as many points, in pairs; got {n} and {m}.")


def _log_row_means(x, y, block_size=None):
    """log 1/m sum_j exp(-|x_i - y_j|^2 / 4) for each row i, float64 [n]; of points over their kernel size."""

    def exponents(x, y):
        return _exponents(tf.transpose(x), tf.transpose(y), 1.0)

    @tf.custom_gradient
    def of_rows(x, y):
        means = _log_mean(exponents(x, y), axis=0)

        def gradient(upstream):
            # The exponents are computed again, so that those of all blocks need not be kept.
            count = tf.cast(tf.shape(y)[0], tf.float64)
            shares = tf.exp(exponents(x, y) - means) * upstream / count  # [m, n], of the y_j in row mean i
            of_x = (tf.matmul(shares, y, transpose_a=True) - upstream[:, None] * x) / 2
            of_y = (tf.matmul(shares, x) - tf.reduce_sum(shares, axis=1, keepdims=True) * y) / 2
            return _once(of_x, x, y), _once(of_y, x, y)

        return means, gradient

    if block_size is None:
        return of_rows(x, y)
    return _map_blocks(lambda rows: of_rows(rows, y), x, block_size)


def _log_mean(exponents, axis=None):
    """The log of the mean of exp(exponents), float64, exact where all are near 0 and where all are far."""
    largest = tf.stop_gradient(tf.reduce_max(exponents, axis=axis, keepdims=True))
    excess = tf.reduce_mean(tf.math.expm1(exponents - largest), axis=axis)
    return tf.math.log1p(excess) + tf.reshape(largest, tf.shape(excess))


def _once(slope, *inputs):
    """`slope`, with an error for whoever asks for its derivative in one of the inputs."""

    @tf.custom_gradient
    def first_derivative(*inputs):
        def second_derivative(_):
            raise NotImplementedError(
                "The information potentials and the divergences made of them can be differentiated once; "
                "second derivatives are not implemented."
            )

        return slope, second_derivative

    return first_derivative(*inputs)


def _value_and_slope(samples, weights, sigma, reach, dtype, block_size):
    """log(1/(N_X N_Y) sum_ij a_i b_j w_ij), w_ij = exp(e_ij), and its slopes in x [n, d] and in a [n].

    The slope in x_i is a_i sum_j b_j w_ij (y_j - x_i) / (2 sigma^2 sum_ij a_i b_j w_ij), the one in a_i is
    sum_j b_j w_ij / sum_ij a_i b_j w_ij.

    Args:
        samples: [x], against itself, or [x, y].
        weights: [], or the weights of the samples.
    """
    given = [tf.stop_gradient(tensor) for tensor in (*samples, *weights)]
    dim = samples[0].shape[1]
    graph = _graph_of_value_and_slope(len(samples), len(weights), dim, dtype, block_size, _has_tf32())
    return graph(*given, sigma, reach)


@functools.lru_cache
def _graph_of_value_and_slope(samples, weights, dim, dtype, block_size, has_tf32):
    """Kept for each kind of arguments: a training step needs it five times, and tracing it takes a while."""
    signature = [
        *[tf.TensorSpec([None, dim], tf.float64)] * samples,
        *[tf.TensorSpec([None], tf.float64)] * weights,
        *[tf.TensorSpec([], tf.float64)] * 2,
    ]

    @tf.function(input_signature=signature, autograph=False)
    def graph(*given):
        *given, sigma, reach = given
        points, weighted = given[:samples], given[samples:]
        a, b = (weighted[0], weighted[-1]) if weighted else (None, None)
        return _traced_value_and_slope(points[0], points[-1], a, b, sigma, reach, dtype, block_size)

    return graph


def _traced_value_and_slope(x, y, a, b, sigma, reach, dtype, block_size):
    n, m = (tf.cast(tf.shape(points)[0], tf.float64) for points in (x, y))
    mean = _mean(y, b)
    from_mean, centred = x - mean, y - mean
    # The largest exponent of a sample with itself is 0.
    shift = tf.zeros([], tf.float64) if y is x else _shift(x, y, a, b, sigma, block_size)
    sums = _by_rows(_sums, x, y, b, sigma, reach, shift, dtype, block_size)
    weights, moments = sums[:, :1], sums[:, 1:]

    def with_taylor():
        # w = 1 + e + q. `_sums` has summed b q, and the sums of b (1 + e) are known, with c_j = y_j - mean:
        # sum_j b_j e_ij = -(m |x_i - mean|^2 + sum_j b_j |c_j|^2) / (4 sigma^2)
        scale = 1 / (4 * sigma**2)
        from_squares = tf.reduce_sum(tf.square(from_mean), axis=1, keepdims=True)
        squares = _weighted(tf.reduce_sum(tf.square(centred), axis=1, keepdims=True), b)
        linear = -scale * (m * from_squares + tf.reduce_sum(squares))
        # sum_j b_j e_ij c_j = -(sum_j b_j |c_j|^2 c_j - 2 (x_i - mean)^T sum_j b_j c_j c_j^T) / (4 sigma^2)
        linear_moments = -scale * (
            tf.reduce_sum(squares * centred, axis=0)
            - 2 * tf.matmul(from_mean, tf.matmul(centred, _weighted(centred, b), transpose_a=True))
        )
        excess = tf.reduce_sum(_weighted(linear + weights, a)) / (n * m)  # mean_ij a_i b_j w_ij - 1
        average = 1 + excess
        return tf.math.log1p(excess), (m + linear + weights) / average, (linear_moments + moments) / average

    def with_exponentials():
        average = tf.reduce_sum(_weighted(weights, a)) / (n * m)  # mean_ij a_i b_j exp(e_ij - shift)
        return tf.math.log(average) + shift, weights / average, moments / average

    # The log of mean_ij a_i b_j w_ij; sum_j b_j w_ij and sum_j b_j w_ij c_j, both divided by that mean.
    value, weights, moments = tf.cond(_is_wide(reach), with_taylor, with_exponentials)
    slope = _weighted((moments - weights * from_mean) / (2 * sigma**2 * n * m), a)
    return value, slope, weights[:, 0] / (n * m)


def _mean(points, weights):
    """The mean of points [n, d], with weights [n] of mean 1 or None."""
    return tf.reduce_mean(_weighted(points, weights), axis=0)


def _weighted(rows, weights):
    """Rows [n, d], each times its weight if there are weights [n]; infinity times 0 is 0 here."""
    return rows if weights is None else tf.math.multiply_no_nan(rows, weights[:, None])


def _shift(x, y, a, b, sigma, block_size):
    """What the exponents are shifted by: 0 where a look at some pairs shows that enough of them are near 0.

    Elsewhere their maximum. In float64, since the exponents may be so large that float32 holds no fractions.
    """

    def largest_of(of_rows, weights):
        return tf.reduce_max(
            of_rows if weights is None else tf.where(weights[:, None] > 0, of_rows, -math.inf)
        )

    def largest_exponent():
        none = tf.zeros([], tf.float64)
        return largest_of(_by_rows(_largest, x, y, b, sigma, none, none, tf.float64, block_size), a)

    some = _largest(x[:16], y, b, sigma, None, None, None)
    largest_of_some = largest_of(some, None if a is None else a[:16])
    return tf.cond(largest_of_some > _LOW, lambda: tf.zeros([], tf.float64), largest_exponent)


def _largest(rows, y, b, sigma, reach, shift, dtype):
    """max_j e_ij for each row i over the y_j whose weight is not 0, float64 [rows, 1]."""
    exponents = _exponents(tf.transpose(rows), tf.transpose(y), sigma)
    if b is not None:
        exponents = tf.where(b[:, None] > 0, exponents, -math.inf)
    return tf.reduce_max(exponents, axis=0)[:, None]


def _sums(rows, y, b, sigma, reach, shift, dtype):
    """For each row i sum_j b_j w_ij, and sum_j b_j w_ij (y_j - mean of y) in d columns: float64 [n, 1 + d].

    The weights w_ij are exp(e_ij - shift), or q(e_ij) = exp(e_ij) - 1 - e_ij where the kernel is wide.
    """
    size = tf.cast(sigma, dtype)
    pair = _coordinates(rows, dtype), _coordinates(y, dtype)
    mean = _mean(y, b)
    centred = _coordinates(y - mean, dtype)
    in_single = None if b is None else tf.cast(b, dtype)

    def sums(weights):
        weights = _weighted(weights, in_single)
        return _column_sums(weights), tf.cast(_product(centred, weights), tf.float64)

    def shifted():
        exponents = _exponents(tf.transpose(rows), tf.transpose(y), sigma) - shift
        return sums(tf.cast(tf.exp(exponents), dtype))

    def far():
        # The weighted c_j and x_i - mean are large here, and all but cancel. From the same weights, rounded
        # to single precision as they may be, and summed in double, their difference is right.
        weights = tf.cond(
            shift < 0,
            lambda: tf.cast(tf.exp(_exponents(tf.transpose(rows), tf.transpose(y), sigma) - shift), dtype),
            lambda: tf.exp(_exponents(*pair, size)),
        )
        weights = _weighted(tf.cast(weights, tf.float64), b)
        return tf.reduce_sum(weights, axis=0, keepdims=True), tf.matmul(y - mean, weights, transpose_a=True)

    def narrow():
        near = functools.partial(tf.cond, shift < 0, shifted, lambda: sums(tf.exp(_exponents(*pair, size))))
        return tf.cond(reach > _FAR, far, near)

    def wide():
        exponents = _exponents(*pair, size)
        beyond = _beyond_first_order(exponents)
        if b is not None:  # points of weight 0 may lie far off
            beyond = tf.where(exponents < -_WIDE, tf.exp(exponents) - 1 - exponents, beyond)
        return sums(beyond)

    # Summed within the branches, so that the weights of all pairs need not be handed out of them.
    columns = tf.cond(_is_wide(reach), wide, narrow)
    return tf.transpose(tf.concat(columns, axis=0))


def _column_sums(weights):
    """The sum of each column [1, n] in double precision, first four at a time in single, which is quicker."""
    quarter = tf.shape(weights)[0] // 4
    fours = sum(weights[k * quarter : (k + 1) * quarter] for k in range(4))
    parts = (tf.cast(part, tf.float64) for part in (fours, weights[4 * quarter :]))
    return sum(tf.reduce_sum(part, axis=0, keepdims=True) for part in parts)


def _product(coordinates, weights):
    """coordinates @ weights in full precision."""
    if _has_tf32():
        return tf.reduce_sum(coordinates[:, :, None] * weights[None, :, :], axis=1)
    return tf.matmul(coordinates, weights)


def _has_tf32():
    """Whether products of float32 matrices may have only 10 bits, as on some GPUs."""
    allowed = tf.config.experimental.tensor_float_32_execution_enabled()
    return bool(allowed and tf.config.list_physical_devices("GPU"))


def _beyond_first_order(e):
    """q(e) = exp(e) - 1 - e = e^2/2! + e^3/3! + ... for |e| <= _WIDE."""
    terms = 12 if e.dtype == tf.float32 else 20
    total = tf.zeros_like(e)
    for k in range(terms, 1, -1):
        total = total * e + 1 / math.factorial(k)
    return total * e * e


def _by_rows(function, x, y, b, sigma, reach, shift, dtype, block_size):
    """`function` (`_sums` or `_largest`) of all rows of x: at once, or `block_size` rows at a time."""
    if block_size is None:
        return function(x, y, b, sigma, reach, shift, dtype)
    in_blocks = _in_blocks(function, x.shape[1], b is not None, dtype, block_size, _has_tf32())
    return in_blocks(x, y, *([] if b is None else [b]), sigma, reach, shift)


@functools.lru_cache
def _in_blocks(function, dim, weighted, dtype, block_size, has_tf32):
    """`function`, `block_size` rows at a time; kept, so that it is compiled once for each size of samples."""
    points, scalar = tf.TensorSpec([None, dim], tf.float64), tf.TensorSpec([], tf.float64)
    weights = [tf.TensorSpec([None], tf.float64)] * weighted

    @tf.function(jit_compile=True, input_signature=[points, points, *weights, scalar, scalar, scalar])
    def in_blocks(x, y, *given):
        b, (sigma, reach, shift) = given[0] if weighted else None, given[-3:]
        columns = 1 if function is _largest else 1 + _dimensions(x)
        return _map_blocks(
            lambda rows: function(rows, y, b, sigma, reach, shift, dtype), x, block_size, columns
        )

    return in_blocks


def _map_blocks(function, x, block_size, *columns):
    """`function` of `block_size` rows of x at a time: its outputs [rows, *columns], float64, joined."""
    n = tf.shape(x)[0]
    size = tf.minimum(block_size, tf.maximum(n, 1))
    blocks = tf.maximum((n + size - 1) // size, 1)
    padded = tf.pad(x, [[0, blocks * size - n], [0, 0]])
    out = tf.map_fn(
        function,
        tf.reshape(padded, [blocks, size, _dimensions(x)]),
        fn_output_signature=tf.float64,
        parallel_iterations=1,
    )
    return tf.reshape(out, [blocks * size, *columns])[:n]


def _dimensions(x):
    return tf.shape(x)[1] if x.shape[1] is None else x.shape[1]
