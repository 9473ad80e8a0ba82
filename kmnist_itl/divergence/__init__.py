"""Information theoretic learning for Keras: potentials, entropies, divergences, and a layer for losses.

Sources are the paper's section II.D and Principe, Information Theoretic Learning, 2010, chapter 2. The folder
and priors.py need TensorFlow only: copy the two into another project.
"""

# ruff: noqa: F401
from .divergences import (
    cauchy_schwarz_divergence,
    conditional_cauchy_schwarz_divergence,
    divergence_from_gaussians,
    euclidean_divergence,
    generalized_cauchy_schwarz_divergence,
)
from .information import quadratic_mutual_information
from .kernel_size import median_kernel_size, silverman_kernel_size
from .potentials import information_potential, log_information_potential, renyi_cross_entropy, renyi_entropy
from .regularizer import CauchySchwarzRegularizer
