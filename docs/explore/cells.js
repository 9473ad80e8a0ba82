// ---- k-means on the roll ----
"use strict";

const cellsPart = (() => {
  const { centres, classes, clusters, cut, scores } = contents.kmeans,
    slider = element("slice"),
    codes = numbers.floatsOf(contents.models.swiss_roll.codes);
  const [low, high] = contents.box,
    thick = 1.5;
  [slider.min, slider.max] = contents.roll.heights;
  slider.value = 10;

  function cell(place) {
    let best = 0,
      least = Infinity;
    centres.forEach((centre, at) => {
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
        context.fillStyle = classColour(classes[cell([across, slice, up])]);
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
    const right = those.filter((row) => classes[clusters[row]] === contents.labels[row]).length;
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
    `${cut} of the ten cells cut through two sheets of the roll, which hold other characters. In these two runs k-means is right for ` +
    `${percent(none.kmeans)} of the test images without a prior and for ${percent(roll.kmeans)} on the roll. Unrolled, so that no cell ` +
    `can reach from sheet to sheet, it is right for ${percent(roll.unrolled)}: the cuts are ${roll.unrolled > roll.kmeans ? "a part of the reason, not all of it" : "not the reason"}. ` +
    `The roll also lays different characters side by side: the ten nearest training images tell the character of ${percent(none.nearest, 0)} of the ` +
    `test images without a prior, and of ${percent(roll.nearest, 0)} on the roll.`;
  slider.addEventListener("input", update);
  legend(element("cells-legend"), "span", contents.classes);
  redraws.push(update);
  return { cell };
})();
