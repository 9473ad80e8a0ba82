"""Autoencoders on Kuzushiji-MNIST with a Cauchy-Schwarz divergence regularizer, in Keras.

Importing the package is light: TensorFlow is loaded by the first module that needs it.
"""

import os

# Before TensorFlow starts: its log lines would end up in executed notebooks.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.3.0"
