// The four parts of the page. Each draws anew when something of it changes; numbers come from
// numbers.js, colours and the cloud that turns from drawing.js.
"use strict";

const contents = JSON.parse(element("contents").textContent);
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

// ---- Drag a code, see the kana ----

const codesPart = (() => {
  const canvas = element("cloud"),
    [low, high] = contents.box;
  const { angles, heights } = contents.roll;
  const decode = numbers.decoder(contents.decoder);
  const sprite = new Image();
  const clouds = Object.fromEntries(
    Object.entries(contents.models).map(([name, model]) => [name, numbers.floatsOf(model.codes)]),
  );
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

  function limits() {
    if (state.model === "swiss_roll") return [low, high];
    const cloud = clouds[state.model];
    return [Math.min, Math.max].map((most) =>
      [0, 1, 2].map((axis) =>
        cloud.filter((_, at) => at % 3 === axis).reduce((one, other) => most(one, other)),
      ),
    );
  }

  const codeAt = (row) => [...clouds[state.model].subarray(3 * row, 3 * row + 3)];

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

  function neighbours(place) {
    const found = numbers.nearest(clouds[state.model], place, 20),
      counts = new Map();
    for (const { row } of found)
      counts.set(contents.labels[row], (counts.get(contents.labels[row]) || 0) + 1);
    return { found, counts: [...counts].sort((one, other) => other[1] - one[1]) };
  }

  function say() {
    const { found, counts } = neighbours(state.place),
      name = (label) => contents.classes[label];
    const [first, second] = counts,
      most = `${first[1]} of the 20 nearest test images are ${name(first[0])}`;
    const between = second && second[1] >= 6 && first[1] < 14;
    element("where").textContent =
      (between ? `Between ${name(first[0])} and ${name(second[0])}: ` : "") +
      most +
      (second ? `, ${second[1]} are ${name(second[0])}` : "") +
      `. The nearest lies ${fixed(found[0].far)} away from the point (${state.place.map((value) => fixed(value, 1)).join(", ")}).`;
    state.nearest = found[0].row;
    show(state.nearest);
    if (state.model === "swiss_roll") paint(element("decoded"), decode(state.place));
  }

  function show(row) {
    element("nearest-class").textContent = contents.classes[contents.labels[row]];
    if (!sprite.complete) return;
    const context = element("nearest").getContext("2d");
    const [x, y] = [row % contents.columns, Math.floor(row / contents.columns)];
    context.drawImage(sprite, 28 * x, 28 * y, 28, 28, 0, 0, 28, 28);
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
      state.limits = limits();
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
      const { counts } = neighbours(place),
        even = counts[1] ? counts[1][1] : 0;
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
      entries.forEach((other, at) => other.setAttribute("aria-pressed", String(state.only === at)));
      cloud.draw();
    });
  });

  element("decoder-says").textContent =
    `The decoder is the real one, with weights rounded to 12 bits: over ${contents.error.points.toLocaleString("en")} ` +
    `codes its pixels differ from Keras' by at most ${fixed(contents.error.largest)}/255. It is that of the swiss roll; ` +
    `for the other two, whose decoders would make this file three times as large, you see the nearest test image. ` +
    `Real images are drawn in 16 greys, ${contents.labels.length.toLocaleString("en")} of them.`;
  state.limits = limits();
  sprite.onload = update;
  sprite.src = contents.images;
  redraws.push(update);
  return { decode, state, view: cloud.view, onScreen: () => cloud.to(state.place) };
})();

// ---- What does the kernel size see? ----

const kernelPart = (() => {
  const canvas = element("plane"),
    slider = element("sigma"),
    lowest = 0.05,
    highest = 1000;
  const sigma = () => lowest * (highest / lowest) ** (slider.value / slider.max);
  const weight = () => Number(element("lambda").value);
  let scene = contents.scenes[0],
    codes = scene.codes;

  function window_() {
    const all = [...scene.codes, ...scene.prior].flat().map(Math.abs);
    return Math.max(...all) * 1.12;
  }

  function densities(context, width, height, reach) {
    const cells = 48,
      sheet = document.createElement("canvas");
    const smooth = Math.max(sigma(), reach / cells); // a narrower window would fall between the places looked at
    sheet.width = sheet.height = cells;
    const of = [codes, scene.prior].map((points) => {
      const found = new Float64Array(cells * cells);
      for (let at = 0; at < found.length; at++) {
        const place = [((at % cells) + 0.5) / cells, (Math.floor(at / cells) + 0.5) / cells];
        found[at] = numbers.parzen([(2 * place[0] - 1) * reach, (1 - 2 * place[1]) * reach], points, smooth);
      }
      const peak = found.reduce((one, other) => Math.max(one, other));
      return found.map((density) => density / peak);
    });
    const colours = [CODES(), PRIOR()],
      picture = new ImageData(cells, cells);
    for (let at = 0; at < cells * cells; at++) {
      const [one, other] = [of[0][at], of[1][at]],
        both = one + other || 1;
      for (let channel = 0; channel < 3; channel++)
        picture.data[4 * at + channel] = (one * colours[0][channel] + other * colours[1][channel]) / both;
      picture.data[4 * at + 3] = 110 * Math.max(one, other);
    }
    sheet.getContext("2d").putImageData(picture, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(sheet, 0, 0, width, height);
  }

  function arrow(context, x, y, right, down) {
    const length = Math.hypot(right, down);
    if (length < 1) return;
    const head = Math.min(6, length / 2),
      angle = Math.atan2(down, right);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + right, y + down);
    for (const side of [-0.5, 0.5]) {
      context.moveTo(x + right, y + down);
      context.lineTo(x + right - head * Math.cos(angle + side), y + down - head * Math.sin(angle + side));
    }
    context.stroke();
  }

  const longestOf = (pulls) => Math.max(...pulls.map((pull) => Math.hypot(...pull)));

  // How long an arrow is for a pull of 1. To scale: as at lambda = 0.1 and sigma = 1, whatever they are. Else the
  // longest at the start is 4 units long, so that arrows grow shorter as the codes come closer.
  function arrowScale(longest) {
    const toScale = element("to-scale").checked,
      start = numbers.divergence(scene.codes, scene.prior, toScale ? 1 : sigma());
    if (toScale) return (weight() * 4) / (0.1 * longestOf(start.pulls));
    return 4 / Math.max(longestOf(start.pulls), longest);
  }

  function update() {
    const { value, pulls } = numbers.divergence(codes, scene.prior, sigma());
    const lengths = pulls.map((pull) => Math.hypot(...pull)),
      longest = longestOf(pulls);
    const mean = [0, 1].map((axis) => pulls.reduce((sum, pull) => sum + pull[axis], 0) / pulls.length);
    const reached =
      lengths.filter((length) => longest > 0 && length >= longest / 100).length / lengths.length;
    const average = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    const common = average > 0 ? Math.hypot(...mean) / average : 0;
    const found = { sigma: sigma(), csd: value, pulls, reached, common, longest: weight() * longest };
    write(found);
    draw(found);
    return found;
  }

  function number(value) {
    if (value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e5))
      return String(Number(value.toPrecision(4)));
    const [digits, power] = value.toExponential(2).split("e");
    const raised = [...power.replace("+", "")].map((letter) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[letter] || "⁻").join("");
    return `${digits} · 10${raised}`;
  }

  function write(found) {
    element("sigma-value").textContent = Number(found.sigma.toPrecision(3));
    slider.setAttribute("aria-valuetext", `sigma ${Number(found.sigma.toPrecision(3))}`);
    element("csd").textContent = number(found.csd);
    element("longest").textContent = number(found.longest);
    element("reached").textContent = `${percent(found.reached, 0)} of ${codes.length}`;
    element("common").textContent = percent(found.common);
    element("kernel-says").textContent = sentence(found);
  }

  function sentence({ sigma, reached, longest }) {
    const all = [...codes, ...scene.prior],
      feeling = Math.round(reached * codes.length);
    const mean = (points, axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
    const gap = Math.hypot(...[0, 1].map((axis) => mean(codes, axis) - mean(scene.prior, axis)));
    let widest = 0;
    for (const p of all) for (const q of all) widest = Math.max(widest, Math.hypot(p[0] - q[0], p[1] - q[1]));
    if (reached < 0.5)
      return (
        `Too narrow to reach: a code sees no farther than a few σ. Only ${feeling} of ${codes.length} codes ` +
        `${feeling === 1 ? "feels" : "feel"} a pull worth the name, for lying nearest to the prior or to another code; the others stay where they are.`
      );
    if (sigma > widest)
      return gap > 0.1
        ? `Too wide to see anything but the mean: under one flat hill both clouds look alike, all arrows are the same, ` +
            `and they only bring the blue mean to the orange mean. The pull falls with σ²; here it is ${number(longest)} at most.`
        : `Too wide to see anything but the mean, and the means agree already: what is left of the pull, ` +
            `${number(longest)} at most, is so little that any reconstruction error is stronger.`;
    return sigma > widest / 4
      ? "Wide: the arrows of all codes are much alike. The cloud is moved and stretched as a whole; the prior's form is a blur."
      : "In between: the kernel sees the prior's shape. Each code is pulled to where orange is denser than blue, and pushed from where blue is too dense.";
  }

  function draw(found) {
    const { context, width, height } = sized(canvas);
    if (!width) return;
    const reach = window_(),
      unit = Math.min(width, height) / (2 * reach);
    const to = ([x, y]) => [width / 2 + unit * x, height / 2 - unit * y];
    context.save();
    context.translate((width - 2 * reach * unit) / 2, (height - 2 * reach * unit) / 2);
    densities(context, 2 * reach * unit, 2 * reach * unit, reach);
    context.restore();
    for (const point of scene.prior) dot(context, ...to(point), 2.5, rgb(PRIOR()));
    for (const point of codes) dot(context, ...to(point), 3.2, rgb(CODES()));
    const scale = arrowScale(found.longest / weight());
    context.strokeStyle = ink();
    context.lineWidth = 1.3;
    found.pulls.forEach((pull, i) => {
      const [x, y] = to(codes[i]),
        [right, up] = pull.map((value) => clamp(value * scale, -1e4, 1e4) * unit);
      arrow(context, x, y, right, -up);
    });
  }

  function step() {
    const moved = numbers.step(codes, scene.prior, sigma(), 0.15),
      rests = moved === codes;
    codes = moved;
    update();
    return !rests;
  }

  const play = player(element("play"), element("kernel-says"), step, 70);
  function restart() {
    play.stop();
    codes = scene.codes;
    update();
  }
  contents.scenes.forEach((each, at) => element("scene").add(new Option(each.name, at)));
  element("scene").addEventListener("change", (event) => {
    scene = contents.scenes[event.target.value];
    restart();
  });
  slider.addEventListener("input", update);
  for (const id of ["lambda", "to-scale"]) element(id).addEventListener("change", update);
  element("step").addEventListener("click", step);
  element("again").addEventListener("click", restart);
  redraws.push(update);
  return { update, codes: () => codes };
})();

// ---- One run or five? ----

const seedsPart = (() => {
  const rows = contents.seeds,
    chart = element("chart");
  const tally = { draws: 0, hits: 0, orders: new Set() };
  let drawn = null,
    all = false;

  const ordered = (accuracies, among) =>
    among.every((at, place) => !place || accuracies[among[place - 1]] > accuracies[at]);

  const order = (accuracies, among) =>
    [...among].sort((one, other) => accuracies[other] - accuracies[one]).join();

  // Of all draws of the rows `among`: how many come out in the paper's order, how many there are, and how many
  // orders they have.
  function chances(among) {
    let hits = 0,
      count = 0;
    const picked = [],
      orders = new Set();
    (function pick(at) {
      if (at === among.length) {
        count++;
        orders.add(order(picked, [...picked.keys()]));
        hits += picked.every((accuracy, place) => !place || picked[place - 1] > accuracy);
        return;
      }
      for (const accuracy of rows[among[at]].runs) {
        picked[at] = accuracy;
        pick(at + 1);
      }
    })(0);
    return { hits, count, orders: orders.size };
  }
  const everything = rows.map((_, at) => at);
  const near = everything.filter((at) => rows[at].prior !== "swiss_roll");
  const whole = chances(everything),
    part = chances(near);
  const judged = whole.hits ? everything : near,
    chance = whole.hits ? whole : part;
  const runsOf = (those) => those.flatMap((at) => rows[at].runs);
  const rollIsLast =
    Math.max(...runsOf(everything.filter((at) => !near.includes(at)))) < Math.min(...runsOf(near));
  const paperOrder = (among) => among.map((at) => rows[at].title).join(" > ");

  function draw() {
    drawn = rows.map(({ runs }) => Math.floor(Math.random() * runs.length));
    const accuracies = drawn.map((seed, at) => rows[at].runs[seed]);
    tally.draws++;
    tally.orders.add(order(accuracies, everything));
    const hit = ordered(accuracies, judged);
    tally.hits += hit;
    return hit;
  }

  function say() {
    if (!drawn) {
      element("drawn").textContent = `The paper's order: ${paperOrder(everything)}.`;
      return;
    }
    const found = everything.map((at) => ({ title: rows[at].title, accuracy: rows[at].runs[drawn[at]] }));
    found.sort((one, other) => other.accuracy - one.accuracy);
    const those =
      judged.length < rows.length ? `${paperOrder(judged)} (without the roll)` : paperOrder(judged);
    element("drawn").textContent =
      `${
        ordered(
          rows.map((row, at) => row.runs[drawn[at]]),
          judged,
        )
          ? "This draw has the paper's order"
          : "This draw"
      }: ${found.map(({ title, accuracy }) => `${title} ${percent(accuracy)}`).join(" > ")}. ` +
      `${tally.draws} ${tally.draws === 1 ? "draw" : "draws"} so far, ${tally.orders.size} different ${tally.orders.size === 1 ? "order" : "orders"}, ` +
      `${tally.hits} times the paper's ${those}. ` +
      `Of all ${chance.count.toLocaleString("en")} possible draws ${percent(chance.hits / chance.count, 0)} give it` +
      (judged.length < rows.length
        ? `; with the roll third, as in the paper, none does${rollIsLast ? ": it is last in every draw" : ""}.`
        : ".");
  }

  function node(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  function plot() {
    const width = Math.min(chart.clientWidth || 640, 960),
      left = 118,
      right = 20,
      tall = 58,
      height = rows.length * tall + 64;
    const values = rows.flatMap((row) => [...row.runs, row.paper, row.low ?? row.mean, row.high ?? row.mean]);
    const low = Math.floor(20 * Math.min(...values)) / 20,
      high = Math.ceil(20 * Math.max(...values)) / 20;
    const x = (share) => left + ((share - low) / (high - low)) * (width - left - right);
    const words = rows.map(
      ({ title, mean, low, high, paper }) =>
        `${title}: mean ${percent(mean)}` +
        (low === null ? "" : `, interval ${percent(low)} to ${percent(high)}`) +
        `, the paper ${percent(paper)}`,
    );
    const svg = node("svg", {
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": `k-means accuracy. ${words.join("; ")}.`,
    });
    const stroke = { stroke: line(), "stroke-width": 1 };
    for (let share = low; share <= high + 1e-9; share += 0.05) {
      svg.append(node("line", { x1: x(share), x2: x(share), y1: 8, y2: rows.length * tall + 8, ...stroke }));
      svg.append(
        node(
          "text",
          { x: x(share), y: rows.length * tall + 26, "text-anchor": "middle", class: "quiet-text" },
          percent(share, 0),
        ),
      );
    }
    svg.append(
      node(
        "text",
        { x: (left + width - right) / 2, y: rows.length * tall + 48, "text-anchor": "middle" },
        "k-means accuracy on test images",
      ),
    );
    rows.forEach((row, at) => {
      const y = at * tall + 36,
        colour = rgb(CODES());
      svg.append(node("text", { x: 0, y: y + 5 }, row.title));
      if (all) {
        if (row.low !== null)
          svg.append(
            node("line", {
              x1: x(row.low),
              x2: x(row.high),
              y1: y + 14,
              y2: y + 14,
              stroke: colour,
              "stroke-width": 4,
            }),
          );
        svg.append(
          node("line", {
            x1: x(row.mean),
            x2: x(row.mean),
            y1: y + 8,
            y2: y + 20,
            stroke: colour,
            "stroke-width": 3,
          }),
        );
        for (const accuracy of row.runs)
          svg.append(node("circle", { cx: x(accuracy), cy: y, r: 4, fill: colour, "fill-opacity": 0.5 }));
      }
      if (drawn)
        svg.append(
          node("circle", {
            cx: x(row.runs[drawn[at]]),
            cy: y,
            r: 8,
            fill: colour,
            stroke: ink(),
            "stroke-width": 1.5,
          }),
        );
      svg.append(
        node("path", {
          d: `M${x(row.paper)} ${y - 8}l8 8l-8 8l-8 -8z`,
          fill: "none",
          stroke: rgb(PRIOR()),
          "stroke-width": 2,
        }),
      );
    });
    chart.replaceChildren(svg);
  }

  function update() {
    plot();
    say();
    element("all").setAttribute("aria-pressed", String(all));
    element("all-says").hidden = !all;
  }

  function table() {
    const made = document.createElement("table"),
      seeds = Math.max(...rows.map((row) => row.runs.length));
    made.createCaption().textContent = `k-means accuracy, all runs (${seeds} seeds): mean and its 95% interval`;
    const head = made.insertRow();
    for (const text of [
      "prior",
      "the paper's one run",
      "mean of ours",
      "interval",
      "minus no prior, in points",
      "surely",
    ])
      head.append(Object.assign(document.createElement("th"), { textContent: text, scope: "col" }));
    for (const row of rows) {
      const { apart } = row,
        points = (share) => fixed(100 * share, 1);
      const cells = [
        percent(row.paper),
        percent(row.mean),
        row.low === null ? "one run" : `${percent(row.low)} to ${percent(row.high)}`,
        apart ? `${points(apart.mean)} (${points(apart.low)} to ${points(apart.high)})` : "–",
        apart ? apart.side : "–",
      ];
      const line = made.insertRow();
      line.append(Object.assign(document.createElement("th"), { textContent: row.title, scope: "row" }));
      for (const text of cells) line.insertCell().textContent = text;
    }
    const note = document.createElement("p");
    note.textContent =
      "Dots are runs, the bar below them is the 95% interval of their mean, diamonds are the paper's numbers. " +
      "“Surely” asks whether the difference to no prior is more than chance (Welch's test with Holm's correction); " +
      `the interval beside it is of that difference alone. One run of each of ${near.map((at) => rows[at].title).join(", ")} ` +
      `can come out in ${part.orders} orders of the 6 that there are.`;
    element("all-says").append(made, note);
  }

  element("draw").addEventListener("click", () => {
    draw();
    update();
  });
  element("until").addEventListener("click", () => {
    for (let tries = 0; tries < 1000 && !draw(); tries++);
    update();
  });
  element("until").hidden = !chance.hits;
  if (judged.length < rows.length)
    element("until").textContent = "Draw until the order, without the roll, is the paper's";
  element("all").addEventListener("click", () => {
    all = !all;
    update();
  });
  table();
  redraws.push(update);
  return { tally, drawn: () => drawn };
})();

// ---- k-means on the roll ----

const cellsPart = (() => {
  const { shown, scores } = contents.kmeans,
    slider = element("slice"),
    codes = numbers.floatsOf(contents.models.swiss_roll.codes);
  const [low, high] = contents.box,
    thick = 1.5;
  [slider.min, slider.max] = contents.roll.heights;
  slider.value = 10;

  function cell(place) {
    let best = 0,
      least = Infinity;
    shown.centres.forEach((centre, at) => {
      const apart = (place[0] - centre[0]) ** 2 + (place[1] - centre[1]) ** 2 + (place[2] - centre[2]) ** 2;
      if (apart < least) [best, least] = [at, apart];
    });
    return best;
  }

  // The cells in a cut across the roll, as a picture of 240 x 240 points.
  function cellsAt(slice, from, to) {
    const sheet = document.createElement("canvas"),
      context = sheet.getContext("2d"),
      points = 240;
    sheet.width = sheet.height = points;
    for (let row = 0; row < points; row++)
      for (let column = 0; column < points; column++) {
        const across = from[0] + ((to[0] - from[0]) * (column + 0.5)) / points;
        const up = to[1] - ((to[1] - from[1]) * (row + 0.5)) / points;
        context.fillStyle = classColour(shown.classes[cell([across, slice, up])]);
        context.fillRect(column, row, 1, 1);
      }
    return sheet;
  }

  function panel(canvas, withCells) {
    const { context, width, height } = sized(canvas),
      slice = Number(slider.value);
    if (!width) return;
    const from = [low[0], low[2]],
      to = [high[0], high[2]],
      wide = to.map((value, axis) => value - from[axis]);
    const unit = Math.min(width / wide[0], height / wide[1]) * 0.98;
    const [left, top] = [(width - unit * wide[0]) / 2, (height - unit * wide[1]) / 2];
    const place = (x, y) => [left + unit * (x - from[0]), top + unit * (to[1] - y)];
    if (withCells) {
      context.globalAlpha = 0.4;
      context.drawImage(cellsAt(slice, from, to), left, top, unit * wide[0], unit * wide[1]);
      context.globalAlpha = 1;
    }
    context.strokeStyle = ink();
    context.lineWidth = 1.2;
    context.beginPath();
    for (let i = 0; i <= 200; i++) {
      const angle = contents.roll.angles[0] + ((contents.roll.angles[1] - contents.roll.angles[0]) * i) / 200;
      context.lineTo(...place(angle * Math.cos(angle), angle * Math.sin(angle)));
    }
    context.stroke();
    members(slice).forEach((row) => {
      const [x, y] = place(codes[3 * row], codes[3 * row + 2]);
      dot(context, x, y, 4, dark.matches ? "#16181b" : "#ffffff");
      dot(context, x, y, 3.2, classColour(contents.labels[row]));
    });
  }

  function members(slice) {
    return contents.labels.map((_, row) => row).filter((row) => Math.abs(codes[3 * row + 1] - slice) < thick);
  }

  function update() {
    const slice = Number(slider.value),
      those = members(slice);
    const right = those.filter((row) => shown.classes[shown.found[row]] === contents.labels[row]).length;
    element("slice-value").textContent = fixed(slice, 1);
    slider.setAttribute("aria-valuetext", `height ${fixed(slice, 1)}`);
    element("slice-says").textContent = those.length
      ? `In this slice lie ${those.length} codes; the cell of ${right} of them (${percent(right / those.length, 0)}) stands for their character.`
      : "No code lies in this slice.";
    panel(element("true-classes"), false);
    panel(element("clusters"), true);
  }

  const { none, swiss_roll: roll } = scores;
  element("cells-say").textContent =
    `${shown.cut} of the ten cells cut through two sheets of the roll, which hold other characters. In these two runs k-means is right for ` +
    `${percent(none.kmeans)} of the test images without a prior and for ${percent(roll.kmeans)} on the roll. Unrolled, so that no cell ` +
    `can reach from sheet to sheet, it is right for ${percent(roll.unrolled)}: the cuts are ${roll.unrolled > roll.kmeans ? "a part of the reason, not all of it" : "not the reason"}. ` +
    `The roll also lays different characters side by side: the ten nearest training images tell the character of ${percent(none.nearest, 0)} of the ` +
    `test images without a prior, and of ${percent(roll.nearest, 0)} on the roll.`;
  slider.addEventListener("input", update);
  legend(element("cells-legend"), "span", contents.classes);
  redraws.push(update);
  return { cell };
})();

// In the report the page stands in a frame, where a link to a part would open the whole report anew.
document.querySelectorAll("nav a").forEach((link) =>
  link.addEventListener("click", (event) => {
    if (location.href !== "about:srcdoc") return;
    event.preventDefault();
    element(link.hash.slice(1)).scrollIntoView();
  }),
);
keepDrawn();
