// ---- Drag a code, see the kana ----
"use strict";

const codesPart = (() => {
  const canvas = element("cloud");
  const { angles, heights } = contents.roll;
  const state = {
    model: "swiss_roll",
    moves: "roll",
    angle: 12.5,
    height: 9,
    place: [0, 0, 0],
    nearest: 0,
    only: null,
  };
  const onRoll = () => state.model === "swiss_roll" && state.moves === "roll";

  const net = rollNet(contents.roll);
  // Places on the roll to which a finger can drag the point.
  const handles = spaced(angles, 150).flatMap((angle) =>
    spaced(heights, 43).map((height) => ({ angle, height })),
  );
  const handlePoints = handles.map(({ angle, height }) => numbers.rollPoint(angle, height));

  const codeAt = (row) => codeOf(state.model, row);

  const cloud = turnable(canvas, {
    limits: () => state.limits,
    items() {
      const shown = contents.labels
        .map((label, row) => ({ label, row }))
        .filter(({ label }) => state.only === null || label === state.only)
        .map(({ label, row }) => ({ point: codeAt(row), colour: classColour(label) }));
      return state.model === "swiss_roll" ? [...shown, ...net.map((ends) => ({ ends }))] : shown;
    },
    place: () => state.place,
    drag(x, y, moved) {
      if (onRoll()) toRoll(x, y, false);
      else move(state.place.map((value, axis) => value + moved[axis]));
    },
    tap: (x, y) => (onRoll() ? toRoll(x, y, true) : toCode(x, y)),
  });

  function say() {
    const { near, words } = neighbours(state.model, state.place);
    element("where").textContent =
      `${words}. The nearest lies ${fixed(near[0].far)} away from the point (${state.place.map((value) => fixed(value, 1)).join(", ")}).`;
    state.nearest = near[0].row;
    element("nearest-class").textContent = contents.classes[contents.labels[state.nearest]];
    paintTile(element("nearest"), sprite, state.nearest);
    paint(element("decoded"), decoders[state.model](state.place));
  }

  const sliders = {
    angle: {
      range: angles,
      read: () => state.angle,
      write: (value) => (state.angle = value),
      words: (value) => `${fixed((value - angles[0]) / (2 * Math.PI), 2)} turns`,
    },
    height: {
      range: heights,
      read: () => state.height,
      write: (value) => (state.height = value),
      words: (value) => fixed(value, 1),
    },
    ...Object.fromEntries(
      [0, 1, 2].map((axis) => [
        `z${axis}`,
        {
          get range() {
            return [Math.floor(state.limits[0][axis]), Math.ceil(state.limits[1][axis])];
          },
          read: () => state.place[axis],
          write: (value) => (state.place[axis] = value),
          words: (value) => fixed(value, 1),
        },
      ]),
    ),
  };

  function update() {
    if (onRoll()) state.place = numbers.rollPoint(state.angle, state.height);
    for (const [id, { range, read, words }] of Object.entries(sliders)) {
      [element(id).min, element(id).max] = range;
      element(id).value = read();
      element(`${id}-value`).textContent = words(read());
      element(id).setAttribute("aria-valuetext", words(read()));
    }
    element("on-roll").hidden = !onRoll();
    element("in-box").hidden = onRoll();
    element("codes")
      .querySelectorAll(".of-roll")
      .forEach((part) => (part.hidden = state.model !== "swiss_roll"));
    say();
    cloud.draw();
  }

  function move(place) {
    state.place = place.map((value, axis) => clamp(value, state.limits[0][axis], state.limits[1][axis]));
    update();
  }

  function toRoll(x, y, front) {
    Object.assign(state, handles[cloud.under(handlePoints, x, y, front)]);
    update();
  }

  function toCode(x, y) {
    const rows = contents.labels
      .map((_, row) => row)
      .filter((row) => state.only === null || contents.labels[row] === state.only);
    move(codeAt(rows[cloud.under(rows.map(codeAt), x, y, true)]));
  }

  document
    .querySelectorAll("[data-turn]")
    .forEach((button) =>
      button.addEventListener("click", () => cloud.turn(...button.dataset.turn.split(" ").map(Number))),
    );
  document
    .querySelectorAll("[data-zoom]")
    .forEach((button) => button.addEventListener("click", () => cloud.zoom(Number(button.dataset.zoom))));

  for (const [id, { write }] of Object.entries(sliders)) {
    element(id).addEventListener("input", () => {
      write(Number(element(id).value));
      update();
    });
  }
  for (const [name, model] of Object.entries(contents.models)) {
    const label = document.createElement("label"),
      choice = document.createElement("input");
    Object.assign(choice, { type: "radio", name: "model", value: name, checked: name === state.model });
    choice.addEventListener("change", () => {
      walk.stop();
      state.model = name;
      state.limits = limitsOf(state.model);
      if (onRoll()) update();
      else move(codeAt(state.nearest)); // of the image that is shown
    });
    label.append(choice, ` ${model.title} `);
    element("models").append(label);
  }
  document.querySelectorAll("input[name=moves]").forEach((choice) =>
    choice.addEventListener("change", () => {
      walk.stop();
      state.moves = choice.value;
      update();
    }),
  );
  const walk = player(
    element("walk"),
    element("where"),
    () => {
      state.moves = "roll";
      document.querySelector("input[name=moves][value=roll]").checked = true;
      state.angle += 0.25 / state.angle; // an even pace along the spiral: its length grows with the angle
      if (state.angle > angles[1]) {
        state.angle = angles[0];
        state.height = (state.height + 5) % heights[1];
      }
      update();
    },
    60,
  );

  // Places on the roll, or codes, around which two characters are about equally frequent.
  element("between").addEventListener("click", () => {
    let best = null;
    for (let tries = 0; tries < 300 && (!best || best.even < 8); tries++) {
      const handle = handles[Math.floor(Math.random() * handles.length)];
      const row = Math.floor(Math.random() * contents.labels.length);
      const place = onRoll() ? numbers.rollPoint(handle.angle, handle.height) : codeAt(row);
      const even = neighbours(state.model, place).second;
      if (!best || even > best.even) best = { even, handle, place };
    }
    walk.stop();
    if (onRoll()) Object.assign(state, best.handle);
    else state.place = best.place;
    update();
  });

  const entries = legend(element("legend"), "button", contents.classes);
  entries.forEach((entry, label) => {
    entry.setAttribute("aria-pressed", "false");
    entry.addEventListener("click", () => {
      state.only = state.only === label ? null : label;
      entries.forEach((button, at) => button.setAttribute("aria-pressed", String(state.only === at)));
      cloud.draw();
    });
  });

  element("decoder-says").textContent =
    `The decoders are the real ones, with weights rounded to ${contents.bits} bits. That changes a pixel by ` +
    `${fixed(Math.max(...Object.values(contents.models).map(({ error }) => error)), 1)} of 255 grey levels on average, ` +
    `or less. The dots are ${contents.labels.length.toLocaleString("en")} of the test images.`;
  state.limits = limitsOf(state.model);
  redraws.push(update);
  return { state, view: cloud.view, onScreen: () => cloud.to(state.place) };
})();
