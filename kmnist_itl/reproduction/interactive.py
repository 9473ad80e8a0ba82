"""Figures to turn and to touch, made with plotly; static ones are in plots.py.

Each is HTML in a frame of its own, so that its script runs in Jupyter, in Colab and in a saved page alike.
GitHub shows none. plotly's own script comes from the network, but for `make report`, which puts it in.
"""

import base64
import html

import numpy as np
import plotly.graph_objects as go
from IPython.display import HTML
from plotly.subplots import make_subplots

from kmnist_itl.plots import CLASSES, PAPER

SHOWN = 1_500  # codes: more would make the notebook large

# Runs in the frame: the image of the roll's point that the mouse is on, or that was clicked, is shown.
_SHOW_IMAGE = """
const plot = document.getElementById('{plot_id}');
const bytes = Uint8Array.from(atob('IMAGES'), c => c.charCodeAt(0));
function image(number) {
    const rows = [];
    for (let row = 0; row < 28; row++)
        rows.push(Array.from(bytes.subarray(784 * number + 28 * row, 784 * number + 28 * (row + 1))));
    return rows;
}
let shown = 0;
function show(event) {
    const point = event.points[0];
    // Drawing anew tells of the point again.
    if (point.curveNumber !== ROLL || point.pointNumber === shown) return;
    shown = point.pointNumber;
    Plotly.restyle(plot, {z: [image(point.pointNumber)]}, [IMAGE]);
    Plotly.restyle(plot, {x: [[point.x]], y: [[point.y]], z: [[point.z]]}, [CHOSEN]);
}
plot.on('plotly_hover', show);
plot.on('plotly_click', show);
"""


def roll(codes, labels, class_names, points, images, *, title, height=560):
    """3-D codes coloured by class, to be turned, and points of a surface whose decoded images are shown.

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
    codes, points = np.asarray(codes, np.float32), np.asarray(points, np.float32)
    grey = np.clip(np.rint(255 * np.asarray(images)), 0, 255).astype(np.uint8)
    picked = np.random.default_rng(0).permutation(len(codes))[:SHOWN]
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.72, 0.28],
        specs=[[{"type": "scene"}, {"type": "xy"}]],
        subplot_titles=("codes, and points of the roll (touch one)", "decoded from that point"),
    )
    for label, (name, colour) in enumerate(zip(class_names, CLASSES, strict=True)):
        members = codes[picked][labels[picked] == label]
        figure.add_trace(_points(members, name, colour, size=2.5, hoverinfo="skip"), row=1, col=1)
    surface = _points(points, "the roll", "#666666", size=3.5, opacity=0.5, hoverinfo="x+y+z")
    chosen = _points(points[:1], "chosen", PAPER, size=9, hoverinfo="skip")
    picture = go.Heatmap(
        z=grey[0].reshape(28, 28), colorscale="Greys_r", zmin=0, zmax=255, showscale=False, hoverinfo="skip"
    )
    figure.add_trace(surface, row=1, col=1)
    figure.add_trace(chosen, row=1, col=1)
    figure.add_trace(picture, row=1, col=2)
    figure.update_scenes(xaxis_title="z1", yaxis_title="z2", zaxis_title="z3")
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, autorange="reversed", scaleanchor="x")
    legend = {"orientation": "h", "y": -0.02, "itemsizing": "constant"}
    margin = {"l": 0, "r": 0, "t": 70, "b": 10}
    figure.update_layout(title=title, legend=legend, margin=margin, height=height - 20)
    ten = len(class_names)
    script = _SHOW_IMAGE.replace("IMAGES", base64.b64encode(grey.tobytes()).decode())
    for word, number in (("ROLL", ten), ("CHOSEN", ten + 1), ("IMAGE", ten + 2)):
        script = script.replace(word, str(number))
    page = figure.to_html(include_plotlyjs="cdn", post_script=script, config={"responsive": True})
    return HTML(
        # Within a div: IPython warns of HTML that begins with a frame.
        f'<div><iframe title="{html.escape(title)}" srcdoc="{html.escape(page)}" '
        f'scrolling="no" style="width: 100%; height: {height}px; border: 0"></iframe></div>'
    )


def _points(points, name, colour, *, size, opacity=0.8, **how):
    x, y, z = points.T
    marker = {"size": size, "color": colour, "opacity": opacity}
    return go.Scatter3d(x=x, y=y, z=z, mode="markers", name=name, marker=marker, **how)
