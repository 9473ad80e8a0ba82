"""TensorFlow and Keras, imported without the start-up lines that they write past Python's stderr."""

import contextlib
import faulthandler
import os
import sys
import tempfile

from kmnist_itl import settings


def _check_backend(name):
    if name != "tensorflow":
        raise ImportError(
            f"kmnist_itl needs Keras on TensorFlow, but Keras is to run on {name!r}: "
            "set the environment variable KERAS_BACKEND to 'tensorflow' and restart Python."
        )


@contextlib.contextmanager
def _stderr_kept_back():
    """Keep back what native code writes to stderr; an error shows it, a crash says where it happened."""
    try:
        terminal = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    with tempfile.TemporaryFile() as kept_back:
        _flush_stderr()
        os.dup2(kept_back.fileno(), 2)
        watched = faulthandler.is_enabled()
        faulthandler.enable(file=terminal)
        try:
            yield
        except BaseException:
            kept_back.seek(0)
            os.write(terminal, kept_back.read())
            raise
        finally:
            faulthandler.disable()
            _flush_stderr()
            os.dup2(terminal, 2)
            os.close(terminal)
            if watched:
                faulthandler.enable(file=2)


def _flush_stderr():
    with contextlib.suppress(AttributeError, ValueError):  # None, or closed
        sys.stderr.flush()


# Keras would read ~/.keras/keras.json for what the environment does not say.
os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
_check_backend(os.environ["KERAS_BACKEND"])
with _stderr_kept_back():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()
    # It warns of retracing whenever several models are trained one after the other, as every notebook does.
    tf.get_logger().setLevel("ERROR")
_check_backend(keras.backend.backend())  # Keras may have been imported before us

# On a GPU some operations add up in another order each time. Asked for by name, since it costs time.
if settings.deterministic():
    tf.config.experimental.enable_op_determinism()


def start_xla():
    """Let XLA compile something, since it writes a line to stderr when it does so first.

    TensorFlow's devices cannot be configured after it.
    """
    with _stderr_kept_back():
        tf.function(tf.identity, jit_compile=True)(0.0)


__all__ = ["keras", "start_xla", "tf"]
