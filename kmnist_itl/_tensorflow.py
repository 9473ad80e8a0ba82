"""TensorFlow and Keras, imported without the start-up lines that they write past Python's stderr."""

import contextlib
import os
import sys


@contextlib.contextmanager
def _stderr_silenced():
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


with _stderr_silenced():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()
    # It warns of retracing whenever several models are trained one after the other, as every notebook does.
    tf.get_logger().setLevel("ERROR")

# On a GPU some operations add up in another order each time. Asked for by name, since it costs time.
if os.environ.get("KMNIST_ITL_DETERMINISTIC") == "1":
    tf.config.experimental.enable_op_determinism()

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"kmnist_itl needs Keras on TensorFlow, but Keras runs on {keras.backend.backend()!r}: "
        "set the environment variable KERAS_BACKEND to 'tensorflow' and restart Python."
    )

__all__ = ["keras", "tf"]
