// ---- One run or many? ----
"use strict";

const seedsPart = (() => {
  const { margin, priors } = contents.seeds,
    chart = element("chart");
  // The paper gives kernel size and lambda for the Gaussians, not for the roll: so the order is that of the rest.
  const judged = [...priors.keys()].filter((at) => priors[at].prior !== "swiss_roll");
  const roll = priors.findIndex(({ prior }) => prior === "swiss_roll");
  const paperOrder = judged.map((at) => priors[at].title).join(" > ");
  const ordinals = ["first", "second", "third", "fourth"];
  const tally = { draws: 0, hits: 0, orders: new Set() };
  let drawn = null,
    all = false;

  // The numbers of the priors `among`, the best first.
  const ranked = (accuracies, among) => [...among].sort((left, right) => accuracies[right] - accuracies[left]);
  const isPapers = (accuracies) =>
    judged.every((at, place) => !place || accuracies[judged[place - 1]] > accuracies[at]);

  // Of all draws of the judged priors: how many come out in the paper's order, how many there are, and how many
  // orders they have.
  function chances() {
    let hits = 0,
      count = 0;
    const accuracies = [],
      orders = new Set();
    (function pick(place) {
      if (place === judged.length) {
        count++;
        orders.add(ranked(accuracies, judged).join());
        hits += isPapers(accuracies);
        return;
      }
      for (const accuracy of priors[judged[place]].runs) {
        accuracies[judged[place]] = accuracy;
        pick(place + 1);
      }
    })(0);
    return { hits, count, orders: orders.size };
  }
  const chance = chances();
  const ofDraw = () => priors.map(({ runs }, at) => runs[drawn[at]]);

  function draw() {
    drawn = priors.map(({ runs }) => Math.floor(Math.random() * runs.length));
    const accuracies = ofDraw(),
      hit = isPapers(accuracies);
    tally.draws++;
    tally.hits += hit;
    tally.orders.add(ranked(accuracies, judged).join());
    return hit;
  }

  function say() {
    if (!drawn) {
      element("drawn").textContent =
        `The paper's order: ${paperOrder}. Its roll is ${ordinals[roll]} of four; the paper does not give its settings.`;
      return;
    }
    const accuracies = ofDraw(),
      order = ranked(accuracies, judged),
      rank = ranked(accuracies, priors.keys()).indexOf(roll);
    element("drawn").textContent =
      `Of the three whose settings the paper gives, this draw has ${isPapers(accuracies) ? "the paper's order" : "another order than the paper"}: ` +
      `${order.map((at) => `${priors[at].title} ${percent(accuracies[at])}`).join(" > ")}. ` +
      `The roll, ${ordinals[roll]} of four in the paper, is ${ordinals[rank]} here with ${percent(accuracies[roll])}. ` +
      `${tally.draws} ${tally.draws === 1 ? "draw" : "draws"} so far, ${tally.orders.size} different ` +
      `${tally.orders.size === 1 ? "order" : "orders"}, ${tally.hits} ${tally.hits === 1 ? "time" : "times"} the paper's ${paperOrder}. ` +
      `Of all ${chance.count.toLocaleString("en")} possible draws of these three ` +
      `${percent(chance.hits / chance.count, 0)} give it.`;
  }

  function plot() {
    const width = Math.min(chart.clientWidth || 640, 960),
      left = 118,
      right = 20,
      tall = 58,
      bottom = priors.length * tall;
    const values = priors.flatMap(({ runs, paper, mean, low, high }) => [
      ...runs,
      paper,
      low ?? mean,
      high ?? mean,
    ]);
    const from = Math.floor(20 * Math.min(...values)) / 20,
      to = Math.ceil(20 * Math.max(...values)) / 20;
    const x = (share) => left + ((share - from) / (to - from)) * (width - left - right);
    const words = priors.map(
      ({ title, mean, low, high, paper }) =>
        `${title}: mean ${percent(mean)}` +
        (low === null ? "" : `, interval ${percent(low)} to ${percent(high)}`) +
        `, the paper ${percent(paper)}`,
    );
    const svg = svgNode("svg", {
      viewBox: `0 0 ${width} ${bottom + 64}`,
      role: "img",
      "aria-label": `k-means accuracy. ${words.join("; ")}.`,
    });
    const add = (...described) => svg.append(svgNode(...described));
    const stroke = (x1, y1, x2, y2, colour, thickness) =>
      add("line", { x1, y1, x2, y2, stroke: colour, "stroke-width": thickness });
    const middle = { "text-anchor": "middle" };
    for (let share = from; share <= to + 1e-9; share += 0.05) {
      stroke(x(share), 8, x(share), bottom + 8, line(), 1);
      add("text", { x: x(share), y: bottom + 26, class: "quiet-text", ...middle }, percent(share, 0));
    }
    add("text", { x: (left + width - right) / 2, y: bottom + 48, ...middle }, "k-means accuracy on test images");
    priors.forEach(({ title, runs, mean, low, high, paper }, at) => {
      const y = at * tall + 36,
        colour = rgb(CODES());
      add("text", { x: 0, y: y + 5 }, title);
      if (all) {
        if (low !== null) stroke(x(low), y + 14, x(high), y + 14, colour, 4);
        stroke(x(mean), y + 8, x(mean), y + 20, colour, 3);
        for (const accuracy of runs)
          add("circle", { cx: x(accuracy), cy: y, r: 4, fill: colour, "fill-opacity": 0.5 });
      }
      if (drawn) {
        const place = { cx: x(runs[drawn[at]]), cy: y, r: 8 };
        add("circle", { ...place, fill: colour, stroke: ink(), "stroke-width": 1.5 });
      }
      const diamond = `M${x(paper)} ${y - 8}l8 8l-8 8l-8 -8z`;
      add("path", { d: diamond, fill: "none", stroke: rgb(PRIOR()), "stroke-width": 2 });
    });
    chart.replaceChildren(svg);
  }

  function table() {
    const made = document.createElement("table"),
      points = (share) => fixed(100 * share, 1);
    made.createCaption().textContent = "k-means accuracy of all runs: mean and its 95% interval";
    const heading = (text, scope) =>
      Object.assign(document.createElement("th"), { textContent: text, scope });
    const head = made.insertRow();
    for (const text of [
      "prior",
      "the paper's one run",
      "runs",
      "place of four: the paper's, ours",
      "mean of ours",
      "interval",
      "minus no prior, in points",
      "better than none?",
    ])
      head.append(heading(text, "col"));
    const papers = priors.map(({ paper }) => paper),
      means = priors.map(({ mean }) => mean),
      place = (accuracies, at) => ordinals[ranked(accuracies, priors.keys()).indexOf(at)];
    for (const [at, { title, paper, runs, mean, low, high, gain }] of priors.entries()) {
      const row = made.insertRow();
      row.append(heading(title, "row"));
      for (const text of [
        percent(paper),
        runs.length,
        `${place(papers, at)}, ${place(means, at)}`,
        percent(mean),
        low === null ? "–" : `${percent(low)} to ${percent(high)}`,
        gain ? `${points(gain.mean)} (${points(gain.low)} to ${points(gain.high)})` : "–",
        gain ? gain.answer : "–",
      ])
        row.insertCell().textContent = text;
    }
    const note = document.createElement("p");
    note.textContent =
      "Dots are runs, the bar below them is the 95% interval of their mean, diamonds are the paper's numbers. " +
      "The intervals of the differences are Dunnett's: all of them hold together with 95%. " +
      `“Better than none?” is yes if the interval lies above 0, no if it lies below ${points(margin)} points, ` +
      "the smallest gain that would matter, and open otherwise. " +
      `One run of each of ${judged.map((at) => priors[at].title).join(", ")} ` +
      `can come out in ${chance.orders} of the 6 possible orders.`;
    element("all-says").append(made, note);
  }

  function update() {
    plot();
    say();
    element("all").setAttribute("aria-pressed", String(all));
    element("all-says").hidden = !all;
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
  element("all").textContent = `Show all ${priors.reduce((sum, { runs }) => sum + runs.length, 0)} runs`;
  element("all").addEventListener("click", () => {
    all = !all;
    update();
  });
  table();
  redraws.push(update);
  return { tally, drawn: () => drawn };
})();
