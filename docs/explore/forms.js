// ---- Name fifty pictures, sort ten thousand ----
"use strict";

const formsPart = (() => {
  const { labels, counts } = contents.forms,
    chart = element("form-chart");
  const total = counts.flat().reduce((sum, count) => sum + count, 0);
  let names = []; // one for each form so far, in order

  // The shares of all test images that have the right name after 0, 1, 2 and so on pictures.
  function shares(given) {
    let right = 0;
    return [0, ...given.map((name, form) => (right += counts[form][name]) / total)];
  }

  function say() {
    const form = names.length - 1;
    if (form < 0) {
      element("form-says").textContent =
        `${labels.length} pictures, the largest form first. Do not worry about mistakes: many of these shapes are no longer in use.`;
      return;
    }
    const name = names[form],
      of = counts[form].reduce((sum, count) => sum + count, 0);
    element("form-says").textContent =
      `You said ${contents.classes[name]}; ` +
      (name === labels[form] ? "so does KMNIST. " : `KMNIST says ${contents.classes[labels[form]]}. `) +
      `The name goes to ${of} test images and is right for ${counts[form][name]}. ` +
      `With ${names.length} of ${labels.length} pictures named, ${percent(shares(names).at(-1))} of ${total.toLocaleString("en")} test images have the right name.`;
  }

  function plot() {
    const width = Math.min(chart.clientWidth || 480, 640),
      height = 300,
      [left, right, bottom] = [48, 12, 44];
    const x = (number) => left + (number / labels.length) * (width - left - right),
      y = (share) => 12 + (1 - share) * (height - bottom - 12);
    const best = shares(labels),
      climbed = shares(names);
    const svg = svgNode("svg", {
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": `Accuracy against pictures named: ${percent(climbed.at(-1))} after ${names.length}; named as in KMNIST, ${percent(best.at(-1))} after all.`,
    });
    const curve = (values, colour, more) =>
      svg.append(
        svgNode("polyline", {
          points: values.map((share, number) => `${x(number)},${y(share)}`).join(" "),
          fill: "none",
          stroke: colour,
          ...more,
        }),
      );
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      svg.append(svgNode("line", { x1: left, x2: width - right, y1: y(share), y2: y(share), stroke: line() }));
      svg.append(svgNode("text", { x: left - 6, y: y(share) + 5, "text-anchor": "end" }, percent(share, 0)));
    }
    for (let number = 0; number <= labels.length; number += 10)
      svg.append(svgNode("text", { x: x(number), y: height - 24, "text-anchor": "middle" }, String(number)));
    svg.append(svgNode("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "pictures named"));
    curve(best, ink(), { "stroke-dasharray": "3 4" });
    curve(climbed, rgb(PRIOR()), { "stroke-width": 3 });
    svg.append(svgNode("circle", { cx: x(names.length), cy: y(climbed.at(-1)), r: 5, fill: rgb(PRIOR()) }));
    chart.replaceChildren(svg);
  }

  function update() {
    const done = names.length === labels.length;
    if (!done) paintTile(element("form"), formSprite, names.length);
    element("form-number").textContent = done ? "all named" : `picture ${names.length + 1} of ${labels.length}`;
    entries.forEach((entry) => (entry.disabled = done));
    element("form-back").disabled = !names.length;
    element("form-rest").disabled = done;
    say();
    plot();
  }

  const entries = legend(element("form-names"), "button", contents.classes);
  entries.forEach((entry, label) =>
    entry.addEventListener("click", () => {
      names.push(label);
      update();
    }),
  );
  element("form-back").addEventListener("click", () => {
    names.pop();
    update();
  });
  element("form-rest").addEventListener("click", () => {
    names = [...names, ...labels.slice(names.length)];
    update();
  });
  element("form-again").addEventListener("click", () => {
    names = [];
    update();
  });
  element("forms-intro").textContent =
    `A network has sorted ${contents.forms.sorted.toLocaleString("en")} images into ${labels.length} groups of look-alikes, the forms, ` +
    "and saw no label. You name the most typical image of each form, and all images of the form get that name.";
  redraws.push(update);
  return { names: () => names, shares };
})();
