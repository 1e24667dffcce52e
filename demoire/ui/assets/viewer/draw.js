// Draws a picture into a canvas: exact pixels from 100 % on, averages below.

const colours = matchMedia("(color-gamut: p3)").matches ? "display-p3" : "srgb";

// The canvas at its true size in device pixels, empty.
export function prepare(canvas, { width, height }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { colorSpace: colours });
  context.clearRect(0, 0, width, height);
  return context;
}

// The tiles of a level that show something between (left, top) and the canvas's end, with their places in device pixels.
function covering(picture, level, { left, top, scale }, { width, height }) {
  const size = picture.side * 2 ** level;
  const range = (start, extent, length) => {
    const first = Math.max(0, Math.floor(start / scale / size));
    const end = Math.min(Math.ceil(length / size), Math.ceil((start + extent) / scale / size));
    return Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index);
  };
  const edge = (index, length, start) => Math.round(Math.min(index * size, length) * scale) - start;
  return range(top, height, picture.height).flatMap((row) =>
    range(left, width, picture.width).map((column) => ({
      row,
      column,
      bitmap: picture.tile(level, row, column),
      x0: edge(column, picture.width, left),
      x1: edge(column + 1, picture.width, left),
      y0: edge(row, picture.height, top),
      y1: edge(row + 1, picture.height, top),
    })),
  );
}

// The level that is reduced by less than 2 on its way to the screen; enlarging takes the picture itself.
const levelFor = (picture, scale) => Math.min(picture.levels - 1, Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-6)));

export function draw(context, picture, place) {
  const { canvas } = context;
  context.imageSmoothingEnabled = place.scale < 1;
  context.imageSmoothingQuality = "high";
  const level = levelFor(picture, place.scale);
  const tiles = covering(picture, level, place, canvas);
  const coarse = picture.levels - 1;
  if (level !== coarse && tiles.some(({ bitmap }) => !bitmap)) tiles.unshift(...covering(picture, coarse, place, canvas));
  for (const { bitmap, x0, x1, y0, y1 } of tiles) if (bitmap) context.drawImage(bitmap, x0, y0, x1 - x0, y1 - y0);
}

// The part of a canvas where the picture has arrived; elsewhere the original stays visible, dimmed.
export function drawArriving(context, picture, original, place) {
  if (picture.arrived && original && original !== picture) {
    draw(context, original, place);
    context.fillStyle = "rgb(127 127 127 / 55%)";
    const { left, top, scale } = place;
    context.fillRect(-left, -top, Math.round(picture.width * scale), Math.round(picture.height * scale));
  }
  context.save();
  if (picture.arrived) clip(context, picture.arrived, place);
  draw(context, picture, place);
  context.restore();
}

function clip(context, boxes, { left, top, scale }) {
  context.beginPath();
  for (const [y0, x0, y1, x1] of boxes) {
    const [a, b] = [Math.round(x0 * scale) - left, Math.round(y0 * scale) - top];
    context.rect(a, b, Math.round(x1 * scale) - left - a, Math.round(y1 * scale) - top - b);
  }
  context.clip();
}

// Only what lies right of `edge`, for the pane with a divider.
export function rightOf(context, edge, paint) {
  const { width, height } = context.canvas;
  context.save();
  context.beginPath();
  context.rect(edge, 0, width - edge, height);
  context.clip();
  context.clearRect(edge, 0, width - edge, height);
  paint();
  context.restore();
}
