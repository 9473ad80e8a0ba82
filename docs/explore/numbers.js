// The numbers of the page: nothing here draws. Points are arrays of coordinates, all sums are in double precision.
// tests/test_explore.py holds each function against the Python that it repeats.
"use strict";

const numbers = (() => {
  function bytesOf(base64) {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  }

  function floatsOf(base64) {
    return new Float32Array(bytesOf(base64).buffer);
  }

  // The kernel of a packed layer: float32, or deflated whole numbers of a byte.
  async function kernelOf({ kernel, deflated }) {
    if (kernel) return floatsOf(kernel);
    const inflated = new Blob([bytesOf(deflated)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Int8Array(await new Response(inflated).arrayBuffer());
  }

  // A network that build.py has packed: a promise of a function of inputs that returns outputs. Its weights are
  // kernel[i, o] * scale[i]; `hidden` and `last` are the functions of a hidden and of an output unit.
  async function network(packed, hidden, last) {
    const kernels = await Promise.all(packed.map(kernelOf));
    const unpacked = packed.map(({ scale, bias }, number) => ({
      kernel: kernels[number],
      scale: floatsOf(scale),
      bias: floatsOf(bias),
    }));
    return (given) => {
      let values = Float64Array.from(given);
      unpacked.forEach(({ kernel, scale, bias }, number) => {
        const sums = Float64Array.from(bias);
        values.forEach((value, i) => {
          const scaled = value * scale[i];
          if (scaled === 0) return; // half of the hidden units
          for (let o = 0, at = i * sums.length; o < sums.length; o++, at++) sums[o] += scaled * kernel[at];
        });
        values = sums.map(number === unpacked.length - 1 ? last : hidden);
      });
      return values;
    };
  }

  const relu = (sum) => Math.max(sum, 0),
    sigmoid = (sum) => 1 / (1 + Math.exp(-sum));
  const decoder = (packed) => network(packed, relu, sigmoid);
  const encoder = (packed) => network(packed, Math.tanh, (sum) => sum);

  // log mean_ij exp(e_ij) with e_ij = -|x_i - y_j|^2 / (4 sigma^2), and for each x_i
  // sum_j exp(e_ij) (y_j - x_i) / sum_ij exp(e_ij). As in divergence.py the exponents are shifted by the largest,
  // so that nothing underflows where the kernel is narrow, and summed as exp(e) - 1, so that nothing is rounded
  // away where it is wide and all are near 0.
  function potential(x, y, sigma) {
    const exponents = new Float64Array(x.length * y.length);
    let largest = -Infinity,
      at = 0;
    for (const p of x)
      for (const q of y) {
        const e = -((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2) / (4 * sigma * sigma);
        exponents[at++] = e;
        if (e > largest) largest = e;
      }
    let excess = 0,
      total = 0;
    at = 0;
    const moments = x.map((p) => {
      let across = 0,
        up = 0;
      for (const q of y) {
        const e = exponents[at++] - largest;
        const weight = Math.exp(e);
        excess += Math.expm1(e);
        total += weight;
        across += weight * (q[0] - p[0]);
        up += weight * (q[1] - p[1]);
      }
      return [across, up];
    });
    return {
      log: Math.log1p(excess / exponents.length) + largest,
      means: moments.map((sums) => sums.map((sum) => sum / total)),
    };
  }

  // The Cauchy-Schwarz divergence log(V(X) V(Y) / V(X, Y)^2) of points in the plane, and minus its gradient in x.
  function divergence(x, y, sigma) {
    const own = potential(x, x, sigma),
      across = potential(x, y, sigma);
    const square = sigma * sigma;
    return {
      value: own.log + potential(y, y, sigma).log - 2 * across.log,
      arrows: across.means.map((mean, i) => mean.map((to, axis) => (to - own.means[i][axis]) / square)),
    };
  }

  // The Parzen window estimate of a density at a place of the plane.
  function parzen(place, x, sigma) {
    let sum = 0;
    for (const p of x)
      sum += Math.exp(-((place[0] - p[0]) ** 2 + (place[1] - p[1]) ** 2) / (2 * sigma * sigma));
    return sum / (2 * Math.PI * sigma * sigma * x.length);
  }

  // One step down the CSD: the code with the longest arrow moves by `most`, and by half of that, a quarter and so on
  // until the CSD is smaller. Returns the codes, the same ones where no such step makes it smaller.
  function step(x, y, sigma, most) {
    const { value, arrows } = divergence(x, y, sigma);
    const longest = Math.max(...arrows.map((arrow) => Math.hypot(...arrow)));
    if (!(longest > 0)) return x;
    for (let length = most; length > most / 1000; length /= 2) {
      const moved = x.map((p, i) => p.map((value, axis) => value + (length / longest) * arrows[i][axis]));
      if (divergence(moved, y, sigma).value < value) return moved;
    }
    return x;
  }

  // The point of the swiss roll at an angle and a height: (t cos t, h, t sin t).
  function rollPoint(angle, height) {
    return [angle * Math.cos(angle), height, angle * Math.sin(angle)];
  }

  // The rows of `points` (flat, three coordinates each) that lie nearest to a place, and how far off they are.
  function nearest(points, place, count) {
    const near = [];
    for (let row = 0; row < points.length / 3; row++) {
      const far = Math.hypot(...place.map((value, axis) => value - points[3 * row + axis]));
      if (near.length === count && far >= near[count - 1].far) continue;
      near.push({ row, far });
      near.sort((left, right) => left.far - right.far);
      near.length = Math.min(near.length, count);
    }
    return near;
  }

  return { floatsOf, decoder, encoder, divergence, parzen, step, rollPoint, nearest };
})();
