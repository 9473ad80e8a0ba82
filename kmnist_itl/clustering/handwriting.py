"""Images written anew, as another hand might have: a Keras layer that bends them with one interpolation."""

import math

import numpy as np

from kmnist_itl import models, settings
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence.regularizer import FixedLayer

STRENGTHS = ("rotation", "shift", "zoom", "shear", "elastic", "stroke")
HEIGHT, WIDTH, _ = models.IMAGE_SHAPE
_GRID = 4  # Gaussian bumps of the elastic part along each axis


@keras.saving.register_keras_serializable("kmnist_itl")
class RandomHandwriting(FixedLayer):
    """Rotate, shift, zoom, shear and bend each image, and make its strokes thicker or thinner, at random.

    Each pixel is taken, by bilinear interpolation, from where an affine map and a smooth displacement (a sum
    of 4 x 4 Gaussian bumps with normal coefficients) send it; beyond the image there is 0. Before that the
    strokes are widened by a 3x3 maximum or narrowed by a 3x3 minimum, each in part. Only in training.

    Args:
        rotation: the largest angle, in degrees.
        shift: the largest displacement along each axis, in pixels.
        zoom, shear: the largest log of the size along each axis, and the largest slope.
        elastic: standard deviation of each bump, in pixels.
        stroke: how much of the maximum or minimum is taken at most, in [0, 1].
        seed: None or int in [0, 2**63 - 1].

    Input: numbers [n, 28, 28, 1]. Output: the same shape in the compute dtype, calculated in float32. Raises
    ValueError for images of another shape, and a number out of range.
    """

    fixed = (*STRENGTHS, "seed")

    def __init__(
        self, rotation=15, shift=2, zoom=0.15, shear=0.25, elastic=0.9, stroke=0.8, seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        for name, value in zip(STRENGTHS, (rotation, shift, zoom, shear, elastic, stroke), strict=True):
            most = 1 if name == "stroke" else math.inf
            setattr(self, name, settings.check_number(name, value, 0, most))
        self.seed = seed if seed is None else settings.check_count("seed", seed, 0, 2**63 - 1)
        self.generator = keras.random.SeedGenerator(self.seed)
        self.input_spec = keras.layers.InputSpec(shape=(None, *models.IMAGE_SHAPE))
        y, x = np.indices((HEIGHT, WIDTH)).reshape(2, -1)
        self.rows, self.columns = y.astype(np.float32), x.astype(np.float32)
        y, x = y - (HEIGHT - 1) / 2, x - (WIDTH - 1) / 2  # from the centre
        v, u = y / y.max(), x / x.max()
        places = np.linspace(-1, 1, _GRID)
        twice = 2 * (0.55 * (places[1] - places[0])) ** 2
        bumps = [np.exp(-((v - a) ** 2 + (u - b) ** 2) / twice) for a in places for b in places]
        # What a displacement is made of, [3 + bumps, pixels].
        self.parts = np.stack([np.ones_like(u), x, y, *bumps]).astype(np.float32)

    @property
    def settings(self):
        """How much is changed, as a dict of the arguments but seed."""
        return {name: getattr(self, name) for name in STRENGTHS}

    def call(self, images, training=False):
        if training:
            images = self._rewrite(tf.cast(images, tf.float32))
        return tf.cast(images, self.compute_dtype)

    def _uniform(self, shape, largest):
        return keras.random.uniform(shape, -largest, largest, dtype="float32", seed=self.generator)

    def _rewrite(self, images):
        n, largest = tf.shape(images)[0], self.settings
        stroke = self._uniform((n, 1, 1, 1), largest["stroke"])
        thick = tf.nn.max_pool2d(images, 3, 1, "SAME")
        thin = -tf.nn.max_pool2d(-images, 3, 1, "SAME")
        images += tf.nn.relu(stroke) * (thick - images) + tf.nn.relu(-stroke) * (thin - images)

        angle = self._uniform((n,), largest["rotation"] * math.pi / 180)
        shear = self._uniform((n,), largest["shear"])
        wide, high = (tf.exp(self._uniform((n,), largest["zoom"])) for _ in range(2))
        across, down = (self._uniform((n,), largest["shift"]) for _ in range(2))
        cos, sin = tf.cos(angle), tf.sin(angle)
        along_x = [across, wide * cos - 1, wide * (shear * cos - sin)]
        along_y = [down, high * sin, high * (shear * sin + cos) - 1]
        affine = tf.stack([tf.stack(along_x, 1), tf.stack(along_y, 1)], axis=1)
        bumps = keras.random.normal((n, 2, _GRID**2), dtype="float32", seed=self.generator)
        coefficients = tf.concat([affine, largest["elastic"] * bumps], axis=2)
        moved = tf.reshape(coefficients, [2 * n, len(self.parts)]) @ self.parts
        moved = tf.reshape(moved, [n, 2, len(self.rows)])
        return self._sample(images, self.columns + moved[:, 0], self.rows + moved[:, 1])

    def _sample(self, images, x, y):
        """Images [n, 28, 28, 1] read at the places x and y, [n, pixels] each."""
        n = tf.shape(images)[0]
        # With a border of zeros, so that a place beyond the image reads 0.
        x, y = tf.clip_by_value(x + 1, 0, WIDTH + 0.999), tf.clip_by_value(y + 1, 0, HEIGHT + 0.999)
        left, top = tf.floor(x), tf.floor(y)
        right_share, low_share = x - left, y - top
        row = WIDTH + 2
        first = tf.range(n)[:, None] * (row * (HEIGHT + 2)) + tf.cast(top * row + left, tf.int32)
        pixels = tf.reshape(tf.pad(images[..., 0], [[0, 0], [1, 1], [1, 1]]), [-1])
        upper = (1 - right_share) * tf.gather(pixels, first) + right_share * tf.gather(pixels, first + 1)
        lower = (1 - right_share) * tf.gather(pixels, first + row)
        lower += right_share * tf.gather(pixels, first + row + 1)
        return tf.reshape((1 - low_share) * upper + low_share * lower, tf.shape(images))

    def get_config(self):
        return {**super().get_config(), **self.settings, "seed": self.seed}
