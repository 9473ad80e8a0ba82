// ---- What does the kernel size see? ----
"use strict";

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
      const density = new Float64Array(cells * cells);
      for (let at = 0; at < density.length; at++) {
        const place = [((at % cells) + 0.5) / cells, (Math.floor(at / cells) + 0.5) / cells];
        density[at] = numbers.parzen([(2 * place[0] - 1) * reach, (1 - 2 * place[1]) * reach], points, smooth);
      }
      const peak = density.reduce((left, right) => Math.max(left, right));
      return density.map((value) => value / peak);
    });
    const colours = [CODES(), PRIOR()],
      picture = new ImageData(cells, cells);
    for (let at = 0; at < cells * cells; at++) {
      const [ofCodes, ofPrior] = [of[0][at], of[1][at]],
        both = ofCodes + ofPrior || 1;
      for (let channel = 0; channel < 3; channel++)
        picture.data[4 * at + channel] = (ofCodes * colours[0][channel] + ofPrior * colours[1][channel]) / both;
      picture.data[4 * at + 3] = 110 * Math.max(ofCodes, ofPrior);
    }
    sheet.getContext("2d").putImageData(picture, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(sheet, 0, 0, width, height);
  }

  function drawArrow(context, x, y, right, down) {
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

  const longestOf = (arrows) => Math.max(...arrows.map((arrow) => Math.hypot(...arrow)));

  // How long a gradient of 1 is drawn. To scale: as at lambda = 0.1 and sigma = 1, whatever they are. Else the
  // longest at the start is 4 units long, so that arrows grow shorter as the codes come closer.
  function arrowScale(longest) {
    const toScale = element("to-scale").checked,
      start = numbers.divergence(scene.codes, scene.prior, toScale ? 1 : sigma());
    if (toScale) return (weight() * 4) / (0.1 * longestOf(start.arrows));
    return 4 / Math.max(longestOf(start.arrows), longest);
  }

  function update() {
    const { value, arrows } = numbers.divergence(codes, scene.prior, sigma());
    const lengths = arrows.map((arrow) => Math.hypot(...arrow)),
      longest = longestOf(arrows);
    const mean = [0, 1].map((axis) => arrows.reduce((sum, arrow) => sum + arrow[axis], 0) / arrows.length);
    const reached =
      lengths.filter((length) => longest > 0 && length >= longest / 100).length / lengths.length;
    const average = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    const common = average > 0 ? Math.hypot(...mean) / average : 0;
    const measured = { sigma: sigma(), value, arrows, reached, common, longest: weight() * longest };
    write(measured);
    draw(measured);
    return measured;
  }

  function number(value) {
    if (value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e5))
      return String(Number(value.toPrecision(4)));
    const [digits, power] = value.toExponential(2).split("e");
    const raised = [...power.replace("+", "")].map((letter) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[letter] || "⁻").join("");
    return `${digits} · 10${raised}`;
  }

  function write(measured) {
    element("sigma-value").textContent = Number(measured.sigma.toPrecision(3));
    slider.setAttribute("aria-valuetext", `sigma ${Number(measured.sigma.toPrecision(3))}`);
    element("csd").textContent = number(measured.value);
    element("longest").textContent = number(measured.longest);
    element("reached").textContent = `${percent(measured.reached, 0)} of ${codes.length}`;
    element("common").textContent = percent(measured.common);
    element("kernel-says").textContent = sentence(measured);
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
        `${feeling === 1 ? "moves" : "move"}, those nearest to the prior or to another code; the rest stay where they are.`
      );
    if (sigma > widest)
      return gap > 0.1
        ? `Too wide to see anything but the mean: under one flat hill both clouds look alike, all arrows are the same, ` +
            `and they only bring the blue mean to the orange mean. They shrink with σ²; the longest here is ${number(longest)}.`
        : `Too wide to see anything but the mean, and the means agree already: the longest arrow, ` +
            `${number(longest)}, is so short that any reconstruction error outweighs it.`;
    return sigma > widest / 4
      ? "Wide: the arrows of all codes are much alike. The CSD moves and stretches the cloud as a whole; the prior's shape is a blur."
      : "In between: the kernel sees the prior's shape. Codes move to where orange is denser than blue, and away from where blue is too dense.";
  }

  function draw(measured) {
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
    const scale = arrowScale(measured.longest / weight());
    context.strokeStyle = ink();
    context.lineWidth = 1.3;
    measured.arrows.forEach((arrow, i) => {
      const [x, y] = to(codes[i]),
        [right, up] = arrow.map((value) => clamp(value * scale, -1e4, 1e4) * unit);
      drawArrow(context, x, y, right, -up);
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
  contents.scenes.forEach(({ name }, at) => element("scene").add(new Option(name, at)));
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
