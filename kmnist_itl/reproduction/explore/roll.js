// The figure of interactive.py: codes to turn, and points of the roll whose decoded images are shown.
"use strict";

const contents = JSON.parse(element("contents").textContent);
const inSpace = (flat) =>
  Array.from({ length: flat.length / 3 }, (_, row) => [...flat.subarray(3 * row, 3 * row + 3)]);
const codes = inSpace(numbers.floatsOf(contents.codes)),
  points = inSpace(numbers.floatsOf(contents.points));
const images = numbers.bytesOf(contents.images),
  slider = element("point");
const corner = (most) =>
  [0, 1, 2].map((axis) =>
    [...codes, ...points].reduce((found, point) => most(found, point[axis]), points[0][axis]),
  );
const corners = [corner(Math.min), corner(Math.max)];
const items = () => [
  ...codes.map((point, row) => ({ point, colour: classColour(contents.labels[row]) })),
  ...points.map((point) => ({ point, colour: line() })),
];

function show(number) {
  slider.value = number;
  element("place").textContent = points[number].map((value) => fixed(value, 0)).join(", ");
  paint(
    element("decoded"),
    [...images.subarray(784 * number, 784 * (number + 1))].map((grey) => grey / 255),
  );
  cloud.draw();
}

const cloud = turnable(element("cloud"), {
  limits: () => corners,
  items,
  place: () => points[slider.value],
  drag: (x, y) => show(cloud.under(points, x, y, false)),
  tap: (x, y) => show(cloud.under(points, x, y, true)),
});
slider.max = points.length - 1;
slider.addEventListener("input", () => show(Number(slider.value)));
legend(element("legend"), "span", contents.classes);
redraws.push(() => show(Number(slider.value)));
keepDrawn();
