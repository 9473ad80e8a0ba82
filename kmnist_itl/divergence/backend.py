"""TensorFlow and Keras, as this folder and priors.py import them wherever they have been copied to."""

import os

if __package__.partition(".")[0] == "kmnist_itl":
    from kmnist_itl._tensorflow import keras, tf  # without the lines that TensorFlow writes when it starts
else:
    _wanted = "divergence and priors need Keras on TensorFlow: set the environment variable KERAS_BACKEND to "
    _wanted += "'tensorflow' and restart Python. Keras is set to run on {!r}."
    if os.environ.get("KERAS_BACKEND", "") not in ("", "tensorflow"):
        raise ImportError(_wanted.format(os.environ["KERAS_BACKEND"]))
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":  # as ~/.keras/keras.json says
        raise ImportError(_wanted.format(keras.backend.backend()))

__all__ = ["keras", "tf"]
