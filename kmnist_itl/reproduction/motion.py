"""How codes move while an autoencoder learns: a Keras callback that keeps them, and an animation of them."""

import io

import matplotlib.pyplot as plt
import numpy as np

from kmnist_itl import files, plots, training
from kmnist_itl._tensorflow import keras

FRAMES = 60  # at most
FRAME_SECONDS, LAST_SECONDS = 0.12, 2.5
DPI = 96
MARGIN = 0.25  # inches around the figure, for labels that stick out
MOST_BYTES = 2_000_000


class KeepCodes(keras.callbacks.Callback):
    """Keeps the codes of some images: before training, and after every epoch.

    Args:
        images: floats [n, 784], the images to follow.
        encoder: the name of the model's layer, a model itself, that makes codes of images.

    After training, `codes` is a list of arrays [n, k], one for each epoch and one before the first.

    It goes with any `fit`. Two trainings side by side:

        moves = {}
        for sigma in (1, 100):
            keep = motion.KeepCodes(kmnist.test.images[:1_500])
            how = {"prior": priors.SwissRoll(), "sigma": sigma, "weight": 10, "profile": profile}
            training.train_autoencoder(kmnist, 3, **how, callbacks=[keep])
            moves[f"σ = {sigma}"] = keep.codes
        labels, names = kmnist.test.labels[:1_500], kmnist.class_names
        motion.animate(moves, labels, names, path, title="Codes", sheet=sheet)
    """

    def __init__(self, images, encoder="encoder"):
        super().__init__()
        self.images, self.encoder, self.codes = images, encoder, []

    def on_train_begin(self, logs=None):
        self.codes = [self._now()]

    def on_epoch_end(self, epoch, logs=None):
        self.codes.append(self._now())

    def _now(self):
        return training.outputs(self.model.get_layer(self.encoder), self.images)


def animate(panels, labels, class_names, path, *, title, sheet=None):
    """Write an animated WebP of codes that move, a panel for each training, and its last frame beside it.

    Trainings that ended sooner stay at their last epoch. Of more than FRAMES epochs every second, third and
    so on is drawn.

    Args:
        panels: maps a panel's title to the `codes` of a KeepCodes: a list of arrays [n, 3].
        labels: ints [n], the classes of the images.
        class_names: list of ten strings.
        path: Path that ends with .webp; the last frame goes to the same name with .png.
        title: string; the epoch stands behind it.
        sheet: None, or points [a, b, 3] of a surface, drawn faintly in each panel.

    Returns:
        The number of frames.

    Raises:
        ValueError: a training has no codes, or the animation is larger than MOST_BYTES.
    """
    from PIL import Image

    empty = [name for name, codes in panels.items() if not codes]
    if empty:
        raise ValueError(f"panels must hold the codes of each epoch; {empty[0]!r} has none. Train it first.")
    last = max(map(len, panels.values())) - 1
    epochs = [*range(0, last, -(-(last + 1) // FRAMES)), last]
    everything = np.concatenate([np.concatenate(codes) for codes in panels.values()])
    low, high = np.percentile(everything, (0.5, 99.5), axis=0)
    if sheet is not None:
        low, high = np.minimum(low, np.min(sheet, axis=(0, 1))), np.maximum(high, np.max(sheet, axis=(0, 1)))
    frames = []
    for epoch in epochs:
        shown = {name: (codes[min(epoch, len(codes) - 1)], labels) for name, codes in panels.items()}
        figure = plots.codes_3d(
            shown, class_names, sheet=sheet, title=f"{title}: epoch {epoch}", limits=(low, high)
        )
        drawn = io.BytesIO()
        # Cut tight, the frames would differ in size.
        figure.savefig(drawn, dpi=DPI, bbox_inches=figure.bbox_inches.padded(MARGIN))
        plt.close(figure)
        frames.append(Image.open(drawn).convert("RGB"))
    durations = [int(1000 * FRAME_SECONDS)] * (len(frames) - 1) + [int(1000 * LAST_SECONDS)]
    moving = io.BytesIO()
    how = {"save_all": True, "append_images": frames[1:], "duration": durations, "loop": 0}
    frames[0].save(moving, "WEBP", quality=60, method=4, **how)
    if len(moving.getvalue()) > MOST_BYTES:
        raise ValueError(
            f"the animation must have at most {MOST_BYTES:,} bytes; got {len(moving.getvalue()):,}. "
            "Follow fewer images."
        )
    files.write_whole(path, lambda beside: beside.write_bytes(moving.getvalue()))
    files.write_whole(path.with_suffix(".png"), lambda beside: frames[-1].save(beside, "PNG"))
    return len(frames)
