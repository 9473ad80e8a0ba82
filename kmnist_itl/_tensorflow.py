"""TensorFlow and Keras, imported without the start-up lines that they write past Python's stderr."""

import contextlib
import os
import sys

from kmnist_itl import settings


@contextlib.contextmanager
def _stderr_closed():
    """Throw away what native code writes to stderr."""
    try:
        terminal = os.dup(2)
    except OSError:  # it is closed already
        yield
        return
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


# Keras would read ~/.keras/keras.json for what the environment does not say.
os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
_backend = sys.modules["keras"].config.backend() if "keras" in sys.modules else os.environ["KERAS_BACKEND"]
if _backend != "tensorflow":
    raise ImportError(
        f"kmnist_itl needs Keras on TensorFlow, but Keras is to run on {_backend!r}: "
        "set the environment variable KERAS_BACKEND to 'tensorflow' and restart Python."
    )
# TensorFlow leaves oneDNN off on CPUs without VNNI, where it makes convolutions two to four times as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with _stderr_closed():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()
    # It warns of retracing whenever several models are trained one after the other, as every notebook does.
    tf.get_logger().setLevel("ERROR")

# On a GPU some operations add up in another order each time. Asked for by name, since it costs time.
if settings.is_on("DETERMINISTIC"):
    tf.config.experimental.enable_op_determinism()


def start_xla():
    """Let XLA compile something silently; after it TensorFlow's devices cannot be configured."""
    with _stderr_closed():
        tf.function(tf.identity, jit_compile=True)(0.0)


__all__ = ["keras", "start_xla", "tf"]
