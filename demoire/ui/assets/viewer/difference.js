// The difference of two pictures, tile by tile, so that panning draws what was computed once.

const PER_FRAME = 5; // milliseconds after which no further tile is begun in a frame
const CAPACITY = 96;

const scratch = [0, 1].map(() => new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }));

function samples(bitmap, context) {
  const { width, height } = bitmap;
  if (context.canvas.width !== width || context.canvas.height !== height) Object.assign(context.canvas, { width, height });
  context.clearRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height);
}

// b - a, amplified: about middle grey where signed, else its absolute value.
export function subtract(a, b, gain, signed) {
  const result = new Uint8ClampedArray(a.length);
  for (let i = 0; i < a.length; i += 4) {
    for (let channel = i; channel < i + 3; channel += 1) {
      const change = (b[channel] - a[channel]) * gain;
      result[channel] = signed ? 128 + change : Math.abs(change);
    }
    result[i + 3] = 255;
  }
  return result;
}

export class Difference {
  constructor(changed) {
    Object.assign(this, { changed, tiles: new Map(), end: null });
  }

  take(a, b, gain, signed) {
    Object.assign(this, { a, b, gain, signed });
    Object.assign(this, { width: a.width, height: a.height, levels: a.levels, side: a.side, pane: null });
    this.arrived = b.arrived ?? a.arrived;
    return this;
  }

  beginFrame() {
    this.end = null;
    this.waiting = false;
  }

  tile(level, row, column) {
    const [a, b] = [this.a.tile(level, row, column), this.b.tile(level, row, column)];
    if (!a || !b) return null;
    const path = `${level}/${row}/${column}`;
    const known = this.tiles.get(path);
    const { gain, signed } = this;
    if (known && known.a === a && known.b === b && known.gain === gain && known.signed === signed) {
      this.tiles.delete(path);
      this.tiles.set(path, known);
      return known.canvas;
    }
    this.end ??= performance.now() + PER_FRAME;
    if (performance.now() > this.end) {
      this.waiting = true;
      this.changed();
      return known?.a === a && known.b === b ? known.canvas : null;
    }
    const canvas = this.compute(a, b);
    this.tiles.set(path, { a, b, gain, signed, canvas });
    if (this.tiles.size > CAPACITY) this.tiles.delete(this.tiles.keys().next().value);
    return canvas;
  }

  compute(a, b) {
    const [one, other] = [samples(a, scratch[0]), samples(b, scratch[1])];
    const canvas = new OffscreenCanvas(one.width, one.height);
    const pixels = subtract(one.data, other.data, this.gain, this.signed);
    canvas.getContext("2d").putImageData(new ImageData(pixels, one.width, one.height), 0, 0);
    return canvas;
  }
}
