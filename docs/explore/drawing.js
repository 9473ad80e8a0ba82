// What the parts of the page share: colours, canvases, a button that plays, and a cloud of points that turns.
"use strict";

const element = (id) => document.getElementById(id);
const contents = JSON.parse(element("contents").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");

// Paul Tol's muted colours as in plots.py; on dark paper the darkest are lighter.
const LIGHT = [
  "#CC6677",
  "#332288",
  "#DDCC77",
  "#117733",
  "#88CCEE",
  "#882255",
  "#44AA99",
  "#999933",
  "#AA4499",
  "#000000",
];
const DARK = [
  "#CC6677",
  "#8C7BE0",
  "#DDCC77",
  "#3FB56B",
  "#88CCEE",
  "#D9558F",
  "#44AA99",
  "#999933",
  "#D07AC4",
  "#FFFFFF",
];
const classColour = (label) => (dark.matches ? DARK : LIGHT)[label];
const ink = () => (dark.matches ? "#ececec" : "#1b1b1b");
const line = () => (dark.matches ? "#5b616b" : "#b9b9b9");
const CODES = () => (dark.matches ? [86, 180, 233] : [0, 114, 178]);
const PRIOR = () => (dark.matches ? [230, 159, 0] : [213, 94, 0]);
const rgb = (colour) => `rgb(${colour.join(" ")})`;

const fixed = (value, digits = 2) => value.toFixed(digits).replace("-", "\u2212");
const percent = (share, digits = 1) => `${fixed(100 * share, digits)}%`;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// The codes of the test images by model, and the networks, which are there when `ready` is.
const clouds = Object.fromEntries(
  Object.entries(contents.models).map(([name, { codes }]) => [name, numbers.floatsOf(codes)]),
);
const decoders = {};
const codeOf = (model, row) => [...clouds[model].subarray(3 * row, 3 * row + 3)];
let encode = null;
const sprite = Object.assign(new Image(), { src: contents.images });
const formSprite = Object.assign(new Image(), { src: contents.forms.images });
const ready = Promise.all([
  sprite.decode(),
  formSprite.decode(),
  numbers.encoder(contents.encoder).then((network) => (encode = network)),
  ...Object.entries(contents.models).map(async ([name, { decoder }]) => {
    decoders[name] = await numbers.decoder(decoder);
  }),
]);

function sized(canvas) {
  const ratio = window.devicePixelRatio || 1,
    { width, height } = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function dot(context, x, y, radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

// The classes with their colours, an element of this tag for every class; returns the elements.
function legend(place, tag, classes) {
  return classes.map((name, label) => {
    const entry = document.createElement(tag),
      colour = document.createElement("i");
    entry.append(colour, name);
    place.append(entry);
    redraws.push(() => (colour.style.background = classColour(label)));
    return entry;
  });
}

// Draws, and draws anew where the page becomes wider, narrower, light or dark.
const redraws = [];
function keepDrawn() {
  const redraw = () => redraws.forEach((draw) => draw());
  let width = document.body.clientWidth;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return; // only the height changed, as when a text grows
    width = document.body.clientWidth;
    redraw();
  }).observe(document.body);
  dark.addEventListener("change", redraw);
  redraw();
}

// A button that plays: `frame` is called again and again until it returns false or the button is pressed again.
// Meanwhile screen readers are spared what `says` says.
function player(button, says, frame, milliseconds) {
  const play = button.textContent;
  let timer = null;
  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = play;
    button.setAttribute("aria-pressed", "false");
    says.setAttribute("aria-live", "polite");
  }
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    if (timer) return stop();
    button.textContent = "⏸ Pause";
    button.setAttribute("aria-pressed", "true");
    says.setAttribute("aria-live", "off");
    timer = setInterval(() => frame() === false && stop(), milliseconds);
  });
  return { stop, playing: () => timer !== null };
}

// An image of 28 x 28 pixels in 0 to 1.
function paint(target, pixels) {
  const context = target.getContext("2d"),
    picture = context.createImageData(28, 28);
  pixels.forEach((pixel, at) => {
    const grey = Math.round(255 * pixel);
    picture.data.set([grey, grey, grey, 255], 4 * at);
  });
  context.putImageData(picture, 0, 0);
}

// Image `number` of a sprite.
function paintTile(target, image, number) {
  const [x, y] = [number % contents.columns, Math.floor(number / contents.columns)];
  target.getContext("2d").drawImage(image, 28 * x, 28 * y, 28, 28, 0, 0, 28, 28);
}

// The 20 test images whose codes are nearest to a place, the number of each class, and that in words.
function neighbours(model, place) {
  const near = numbers.nearest(clouds[model], place, 20),
    counts = new Map();
  for (const { row } of near)
    counts.set(contents.labels[row], (counts.get(contents.labels[row]) || 0) + 1);
  const [first, second] = [...counts].sort((left, right) => right[1] - left[1]),
    name = (label) => contents.classes[label];
  const between = second && second[1] >= 6 && first[1] < 14;
  const words =
    (between ? `Between ${name(first[0])} and ${name(second[0])}: ` : "") +
    `${first[1]} of the 20 nearest test images are ${name(first[0])}` +
    (second ? `, ${second[1]} are ${name(second[0])}` : "");
  return { near, second: second ? second[1] : 0, words };
}

function limitsOf(model) {
  if (model === "swiss_roll") return contents.box;
  return [Math.min, Math.max].map((most) =>
    [0, 1, 2].map((axis) =>
      clouds[model].filter((_, at) => at % 3 === axis).reduce((left, right) => most(left, right)),
    ),
  );
}

function svgNode(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

const spaced = ([from, to], count) =>
  Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));

// The swiss roll's surface as a net: a list of [point, point], pieces of lines.
function rollNet({ angles, heights }) {
  const net = [];
  const chain = (points) => points.slice(1).forEach((point, at) => net.push([points[at], point]));
  for (const height of spaced(heights, 5))
    chain(spaced(angles, 90).map((angle) => numbers.rollPoint(angle, height)));
  for (const angle of spaced(angles, 19))
    chain(spaced(heights, 5).map((height) => numbers.rollPoint(angle, height)));
  return net;
}

// A cloud of points in space, turned by a finger, the mouse or arrow keys, and zoomed by two fingers, + and -.
// It asks for, as functions:
//   limits()           its lowest and its highest corner
//   items()            what to draw, a list of { point, colour } and { ends: [point, point] }
//   place()            the ringed point, which can be dragged
//   drag(x, y, moved)  called where the ringed point is dragged: where to on the canvas, and how far in space
//   tap(x, y)          called where the canvas is touched
function turnable(canvas, { limits, items, place, drag, tap }) {
  const view = { yaw: 0.5, pitch: 0.95, zoom: 1 };

  function projection() {
    const { width, height } = canvas.getBoundingClientRect(),
      [low, high] = limits();
    const middle = low.map((value, axis) => (value + high[axis]) / 2);
    const radius = Math.hypot(...high.map((value, axis) => value - low[axis])) / 2;
    const scale = (0.62 * Math.min(width, height) * view.zoom) / radius;
    const [cy, sy, cp, sp] = [
      Math.cos(view.yaw),
      Math.sin(view.yaw),
      Math.cos(view.pitch),
      Math.sin(view.pitch),
    ];
    // A direction in space as right, up and back; turned about z2 first, then tipped over.
    const turned = ([x, y, z]) => [
      cy * x + sy * z,
      cp * y - sp * (cy * z - sy * x),
      sp * y + cp * (cy * z - sy * x),
    ];
    return {
      radius,
      scale,
      turned,
      // Where a point lies on the canvas, and how far back.
      to(point) {
        const [right, up, back] = turned(point.map((value, axis) => value - middle[axis]));
        return [width / 2 + scale * right, height / 2 - scale * up, back];
      },
      // What a move on the canvas is in space, at the same depth.
      from(right, down) {
        const x = right / scale,
          up = -down / scale,
          back = -sp * up;
        return [cy * x - sy * back, cp * up, sy * x + cy * back];
      },
    };
  }

  function draw() {
    const { context, width, height } = sized(canvas);
    if (!width) return;
    const { to, radius, turned } = projection();
    const placed = items().map(({ point, ends, colour }) => {
      const at = (ends || [point]).map(to);
      return { at, colour, depth: at.reduce((sum, [, , back]) => sum + back, 0) / at.length };
    });
    placed.sort((left, right) => right.depth - left.depth); // the farthest first
    for (const { at, colour, depth } of placed) {
      const near = clamp(0.5 - depth / (2 * radius), 0, 1);
      context.globalAlpha = 0.25 + 0.7 * near;
      if (at.length === 1) dot(context, at[0][0], at[0][1], 1.4 + 1.4 * near, colour);
      else stroke(context, line(), 0.6 + near, at);
    }
    context.globalAlpha = 1;
    const [x, y] = to(place());
    dot(context, x, y, 5, ink());
    context.strokeStyle = "#D55E00";
    context.lineWidth = 3;
    context.beginPath();
    context.arc(x, y, 11, 0, 2 * Math.PI);
    context.stroke();
    context.font = "13px system-ui, sans-serif";
    context.fillStyle = ink();
    ["z1", "z2", "z3"].forEach((name, axis) => {
      const [right, up] = turned([0, 1, 2].map((side) => (side === axis ? 26 : 0)));
      stroke(context, ink(), 1, [
        [38, height - 38],
        [38 + right, height - 38 - up],
      ]);
      context.fillText(name, 32 + 1.3 * right, height - 34 - 1.3 * up);
    });
  }

  function stroke(context, colour, thickness, [from, to]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    context.stroke();
  }

  // Which of `points` lies under a finger, as a number: of several the one near to where the ringed point is, or
  // with `front` the one in front.
  function under(points, x, y, front) {
    const { to, scale } = projection(),
      here = place();
    let best = 0,
      least = Infinity;
    points.forEach((point, number) => {
      const [px, py, back] = to(point),
        apart = Math.hypot(...point.map((value, axis) => value - here[axis]));
      const cost = Math.hypot(px - x, py - y) + scale * (front ? 0.05 * back : 0.15 * apart);
      if (cost < least) [best, least] = [number, cost];
    });
    return best;
  }

  function turn(yaw, pitch) {
    view.yaw += yaw;
    view.pitch = clamp(view.pitch + pitch, -Math.PI / 2, Math.PI / 2);
    draw();
  }

  function zoom(factor) {
    view.zoom = clamp(view.zoom * factor, 0.5, 6);
    draw();
  }

  const fingers = new Map();
  let drags = false,
    travelled = 0;
  const at = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const span = () => {
    const [[left, top], [right, bottom]] = fingers.values();
    return Math.hypot(right - left, bottom - top);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    const [x, y] = projection().to(place()),
      [fx, fy] = at(event);
    drags = fingers.size === 1 && Math.hypot(x - fx, y - fy) < 28;
    travelled = fingers.size === 1 ? 0 : Infinity; // two fingers never tap
  });
  // A finger that moves up or down scrolls the page (touch-action: pan-y), unless it drags the point or two pinch.
  canvas.addEventListener("touchstart", (event) => (drags || fingers.size > 1) && event.preventDefault(), {
    passive: false,
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event),
      [right, down] = now.map((value, side) => value - before[side]);
    const wide = fingers.size === 2 ? span() : 0;
    fingers.set(event.pointerId, now);
    travelled += Math.abs(right) + Math.abs(down);
    if (fingers.size === 2) zoom(span() / Math.max(wide, 1));
    else if (drags) drag(...now, projection().from(right, down));
    else turn(right / 150, down / 150);
  });
  canvas.addEventListener("pointerup", (event) => travelled < 6 && fingers.size === 1 && tap(...at(event)));
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("keydown", (event) => {
    const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    const zooms = { "+": 1.1, "=": 1.1, "-": 1 / 1.1 };
    if (turns[event.key]) turn(...turns[event.key]);
    else if (zooms[event.key]) zoom(zooms[event.key]);
    else return;
    event.preventDefault();
  });
  return { view, draw, turn, zoom, under, to: (point) => projection().to(point) };
}
