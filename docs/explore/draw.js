// ---- Draw your own kana ----
"use strict";

const drawPart = (() => {
  const model = contents.drawn,
    pad = element("pad"),
    scratch = Object.assign(document.createElement("canvas"), { width: 28, height: 28 });
  let strokes = [],
    code = [0, 0, 0];

  const cloud = turnable(element("landing"), {
    limits: () => limitsOf(model),
    items: () => contents.labels.map((label, row) => ({ point: codeOf(model, row), colour: classColour(label) })),
    place: () => code,
    drag() {},
    tap() {},
  });

  function trace(context, points, thickness) {
    Object.assign(context, { strokeStyle: "#ffffff", lineWidth: thickness, lineCap: "round", lineJoin: "round" });
    for (const stroke of strokes) {
      context.beginPath();
      for (const point of [stroke[0], ...stroke]) context.lineTo(...points(point)); // a dot is a stroke, too
      context.stroke();
    }
  }

  // The drawing as the network wants it: 28 x 28 pixels in 0 to 1, the strokes in the middle, as large as there
  // is room for them.
  function pixels() {
    const context = scratch.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#000000";
    context.fillRect(0, 0, 28, 28);
    const all = strokes.flat(),
      ends = [0, 1].map((axis) => [Math.min, Math.max].map((most) => most(...all.map((point) => point[axis]))));
    const scale = 24 / Math.max(...ends.map(([low, high]) => high - low), 0.2);
    trace(context, (point) => point.map((value, axis) => 14 + scale * (value - (ends[axis][0] + ends[axis][1]) / 2)), 2.4);
    const { data } = context.getImageData(0, 0, 28, 28);
    return Float64Array.from({ length: 784 }, (_, at) => data[4 * at] / 255);
  }

  function update() {
    const { context, width, height } = sized(pad);
    trace(context, ([x, y]) => [x * width, y * height], 0.08 * width);
    element("drawn-images").hidden = !strokes.length;
    if (!strokes.length) {
      element("landing-says").textContent = "Draw a character in the black square, for instance あ or の.";
    } else {
      const image = pixels();
      code = [...encode(image)];
      paint(element("seen"), image);
      paint(element("returned"), decoders[model](code));
      const { near, words } = neighbours(model, code);
      paintTile(element("landing-nearest"), sprite, near[0].row);
      element("landing-says").textContent = `Your code is (${code.map((value) => fixed(value, 1)).join(", ")}). ${words}.`;
    }
    cloud.draw();
  }

  const at = (event) => {
    const { left, top, width, height } = pad.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  };
  let draws = false;
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    draws = true;
    strokes.push([at(event)]);
    update();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!draws) return;
    strokes.at(-1).push(at(event));
    update();
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => (draws = false));
  element("wipe").addEventListener("click", () => {
    strokes = [];
    update();
  });
  redraws.push(update);
  return { pixels, code: () => code };
})();
