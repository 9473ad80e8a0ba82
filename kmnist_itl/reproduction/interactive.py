"""A figure to turn and to touch, below a picture of it; other static ones are in plots.py.

It is HTML in a frame of its own, so that its script runs in Jupyter, in Colab and in a saved page alike, and
it needs no network. Where no scripts run, as on GitHub, there is the picture.
"""

import html

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display

from kmnist_itl import plots
from kmnist_itl.reproduction import explore

SHOWN = 1_500  # codes: more would make the notebook large


def roll(codes, labels, class_names, points, images, *, title, height=640):
    """3-D codes coloured by class, to be turned, and points of a surface whose decoded images are shown.

    Displays a picture of them, and returns the figure.

    Args:
        codes: floats [n, 3], of which at most SHOWN are drawn; labels: ints [n], their classes.
        class_names: list of ten strings.
        points: floats [m, 3], on the surface.
        images: floats [m, 784] in [0, 1], what the decoder makes of `points`.
        title: string.
        height: int, in pixels.

    Returns:
        IPython.display.HTML.
    """
    picked = np.random.default_rng(0).permutation(len(codes))[:SHOWN]
    codes, labels, points = np.asarray(codes)[picked], np.asarray(labels)[picked], np.asarray(points)
    panels = {"codes": (codes, labels), "points of the roll": (points, None)}
    picture = plots.codes_3d(panels, class_names, title=title)
    display(picture)
    plt.close(picture)
    shown = {
        "title": title,
        "classes": list(class_names),
        "codes": explore.as_base64(codes, "<f4"),
        "labels": labels.tolist(),
        "points": explore.as_base64(points, "<f4"),
        "images": explore.as_base64(np.clip(np.rint(255 * np.asarray(images)), 0, 255), "u1"),
    }
    page = explore.page(shown, "roll")
    return HTML(
        # Within a div: IPython warns of HTML that begins with a frame.
        f'<div><iframe title="{html.escape(title)}" srcdoc="{html.escape(page)}" '
        f'style="width: 100%; height: {height}px; border: 0"></iframe></div>'
    )
