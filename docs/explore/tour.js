// ---- The same walk, with and without a prior ----
"use strict";

const tourPart = (() => {
  const slider = element("tour-at"),
    stops = contents.tour;
  slider.max = stops.length;
  const canvases = Object.entries(contents.models).map(([model, { title }]) => {
    const figure = document.createElement("figure"),
      canvas = document.createElement("canvas"),
      caption = document.createElement("figcaption");
    Object.assign(canvas, { width: 28, height: 28, role: "img", ariaLabel: `decoded image, ${title}` });
    caption.textContent = title;
    figure.append(canvas, caption);
    element("tour-images").append(figure);
    return [model, canvas];
  });

  function update() {
    const at = Number(slider.value),
      step = Math.floor(at) % stops.length,
      part = at - Math.floor(at);
    const [from, to] = [stops[step], stops[(step + 1) % stops.length]];
    for (const [model, canvas] of canvases) {
      const end = codeOf(model, to);
      paint(canvas, decoders[model](codeOf(model, from).map((value, axis) => value + part * (end[axis] - value))));
    }
    const name = (row) => contents.classes[contents.labels[row]];
    const words = `${percent(part, 0)} of the way from ${name(from)} to ${name(to)}`;
    element("tour-says").textContent = words;
    slider.setAttribute("aria-valuetext", words);
  }

  const play = player(
    element("tour-play"),
    element("tour-says"),
    () => {
      const next = Number(slider.value) + 0.02;
      slider.value = next > stops.length ? 0 : next;
      update();
      return next <= stops.length;
    },
    60,
  );
  slider.addEventListener("input", () => {
    play.stop();
    update();
  });
  redraws.push(update);
  ready.then(() => {
    if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) element("tour-play").click();
  });
  return { at: () => Number(slider.value) };
})();
