"""TensorFlow and Keras, as this folder and priors.py import them wherever they have been copied to."""

import os
import sys

if __package__.partition(".")[0] == "kmnist_itl":
    from kmnist_itl._tensorflow import keras, tf  # without the lines that TensorFlow writes when it starts
else:
    # Keras would read ~/.keras/keras.json for what the environment does not say.
    backend = os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if "keras" in sys.modules:
        backend = sys.modules["keras"].config.backend()
    if backend != "tensorflow":
        wanted = "set the environment variable KERAS_BACKEND to 'tensorflow' and restart Python"
        raise ImportError(f"divergence and priors need Keras on TensorFlow, not on {backend!r}: {wanted}.")
    import keras
    import tensorflow as tf

__all__ = ["keras", "tf"]
