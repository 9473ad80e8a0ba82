"""TensorFlow and Keras, imported without the start-up lines that they write past Python's stderr."""

import contextlib
import faulthandler
import json
import os
import sys
import tempfile
from pathlib import Path

from kmnist_itl import settings


def _check_backend():
    """Raise an ImportError unless Keras is going to run on TensorFlow; before Keras is imported."""
    named, where = os.environ.get("KERAS_BACKEND"), "the environment variable KERAS_BACKEND"
    if not named:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
        where = str(home / "keras.json")
        with contextlib.suppress(OSError, ValueError, AttributeError):
            named = json.loads(Path(where).read_text(encoding="utf-8")).get("backend")
    if named and named != "tensorflow":
        raise ImportError(
            f"kmnist_itl needs Keras on TensorFlow, but {where} says {named!r}: "
            "set the environment variable KERAS_BACKEND to 'tensorflow' and restart Python."
        )


@contextlib.contextmanager
def _stderr_kept_back():
    """Keep back what native code writes to stderr; an error shows it, a crash says where it happened."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as kept_back:
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
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            if watched:
                faulthandler.enable(file=2)


_check_backend()
with _stderr_kept_back():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()
    # It warns of retracing whenever several models are trained one after the other, as every notebook does.
    tf.get_logger().setLevel("ERROR")

# On a GPU some operations add up in another order each time. Asked for by name, since it costs time.
if settings.deterministic():
    tf.config.experimental.enable_op_determinism()

if keras.backend.backend() != "tensorflow":  # Keras was imported before us, with another configuration
    raise ImportError(
        f"kmnist_itl needs Keras on TensorFlow, but Keras runs on {keras.backend.backend()!r}: "
        "set the environment variable KERAS_BACKEND to 'tensorflow' and restart Python."
    )


def start_xla():
    """Let XLA compile something, since it writes a line to stderr when it does so first.

    TensorFlow's devices cannot be configured after it.
    """
    with _stderr_kept_back():
        tf.function(tf.identity, jit_compile=True)(0.0)


__all__ = ["keras", "start_xla", "tf"]
