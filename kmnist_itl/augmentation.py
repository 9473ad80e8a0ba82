"""Images written anew, as another hand might have: a Keras layer that bends images of characters.

Keras' own layers do parts of it one after the other. This one does all of it with one interpolation.
"""

import math

import numpy as np

from kmnist_itl._tensorflow import keras, tf

_GRID = 4  # bumps of the elastic part along each axis


@keras.saving.register_keras_serializable("kmnist_itl")
class RandomHandwriting(keras.layers.Layer):
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
        seed: int or None.

    Input and output: float32 [n, height, width, 1].

    Raises:
        ValueError: a number is negative or not finite, or stroke is above 1.
    """

    def __init__(
        self, rotation=15, shift=2, zoom=0.15, shear=0.25, elastic=0.9, stroke=0.8, seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        given = {"rotation": rotation, "shift": shift, "zoom": zoom, "shear": shear, "elastic": elastic}
        given["stroke"] = stroke
        for name, value in given.items():
            at_most = 1 if name == "stroke" else math.inf
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= at_most or value == math.inf:
                limit = "in [0, 1]" if name == "stroke" else "finite and at least 0"
                raise ValueError(f"{name} must be a number, {limit}; got {value!r}.")
        self.settings = {name: float(value) for name, value in given.items()}
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        self.size = height, width = input_shape[1:3]
        y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        self.rows, self.columns = (axis.ravel().astype(np.float32) for axis in (y, x))
        centre = (height - 1) / 2, (width - 1) / 2
        v, u = (y - centre[0]) / centre[0], (x - centre[1]) / centre[1]
        places = np.linspace(-1, 1, _GRID)
        width_of_bump = 0.55 * (places[1] - places[0])
        bumps = [
            np.exp(-((v - down) ** 2 + (u - across) ** 2) / (2 * width_of_bump**2))
            for down in places
            for across in places
        ]
        # What a displacement is made of, [3 + bumps, pixels]; the affine part in pixels from the centre.
        parts = [np.ones_like(u), x - centre[1], y - centre[0], *bumps]
        self.parts = np.stack([part.ravel() for part in parts]).astype(np.float32)
        super().build(input_shape)

    def call(self, images, training=False):
        return self._rewritten(images) if training else images

    def _uniform(self, shape, most):
        return keras.random.uniform(shape, -most, most, seed=self.generator)

    def _rewritten(self, images):
        n, how = tf.shape(images)[0], self.settings
        stroke = self._uniform((n, 1, 1, 1), how["stroke"])
        thick = tf.nn.max_pool2d(images, 3, 1, "SAME")
        thin = -tf.nn.max_pool2d(-images, 3, 1, "SAME")
        images += tf.nn.relu(stroke) * (thick - images) + tf.nn.relu(-stroke) * (thin - images)

        angle = self._uniform((n,), how["rotation"] * math.pi / 180)
        shear = self._uniform((n,), how["shear"])
        wide, high = (tf.exp(self._uniform((n,), how["zoom"])) for _ in range(2))
        across, down = (self._uniform((n,), how["shift"]) for _ in range(2))
        cos, sin = tf.cos(angle), tf.sin(angle)
        along_x = [across, wide * cos - 1, wide * (shear * cos - sin)]
        along_y = [down, high * sin, high * (shear * sin + cos) - 1]
        affine = tf.stack([tf.stack(along_x, 1), tf.stack(along_y, 1)], axis=1)
        bumps = how["elastic"] * keras.random.normal((n, 2, _GRID**2), seed=self.generator)
        coefficients = tf.reshape(tf.concat([affine, bumps], axis=2), [2 * n, -1])
        moved = tf.reshape(coefficients @ self.parts, [n, 2, -1])
        return self._sampled(images, self.columns + moved[:, 0], self.rows + moved[:, 1])

    def _sampled(self, images, x, y):
        """Images [n, height, width, 1] read at the places x and y, [n, pixels] each."""
        n, (height, width) = tf.shape(images)[0], self.size
        # With a border of zeros, so that a place beyond the image reads 0.
        x, y = tf.clip_by_value(x + 1, 0, width + 0.999), tf.clip_by_value(y + 1, 0, height + 0.999)
        left, top = tf.floor(x), tf.floor(y)
        right_share, low_share = x - left, y - top
        row = width + 2
        first = tf.range(n)[:, None] * (row * (height + 2)) + tf.cast(top * row + left, tf.int32)
        pixels = tf.reshape(tf.pad(images[..., 0], [[0, 0], [1, 1], [1, 1]]), [-1])
        upper = (1 - right_share) * tf.gather(pixels, first) + right_share * tf.gather(pixels, first + 1)
        lower = (1 - right_share) * tf.gather(pixels, first + row)
        lower += right_share * tf.gather(pixels, first + row + 1)
        return tf.reshape((1 - low_share) * upper + low_share * lower, tf.shape(images))

    def get_config(self):
        return {**super().get_config(), **self.settings, "seed": self.seed}
