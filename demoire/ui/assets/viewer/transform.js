// Where a picture stands in a pane. Lengths are device pixels of the screen, unless they are said to be the picture's.
//
// `view.zoom` is device pixels per picture pixel, 0 to fit the pane; `view.x` and `view.y` are the picture's point in the
// middle of the pane, as shares of its width and height, so that they mean the same on every screen.

export const LEAST = 0.25;
export const MOST = 16;
const STEPS = [0.25, 1 / 3, 0.5, 2 / 3, 1, 1.5, 2, 3, 4, 6, 8, 12, 16];

export const limit = (value, low, high) => Math.min(high, Math.max(low, value));

export const scaleOf = (view, picture, pane) =>
  view.zoom || Math.min(pane.width / picture.width, pane.height / picture.height, MOST);

// The pane's corner in the scaled picture: whole pixels, within the picture; a picture smaller than the pane is centred.
export function corner(view, picture, pane, whole = Math.round) {
  const scale = scaleOf(view, picture, pane);
  const start = (share, length, extent) => {
    const scaled = Math.round(length * scale);
    if (scaled <= extent) return -Math.floor((extent - scaled) / 2);
    return limit(whole(share * length * scale - extent / 2), 0, scaled - extent);
  };
  return { left: start(view.x, picture.width, pane.width), top: start(view.y, picture.height, pane.height), scale };
}

// The view whose pane has its corner there. Moving starts where the pane really is, not where a wish lies past the edge.
function centred(picture, pane, { left, top, scale }) {
  const share = (start, length, extent) => limit((start + extent / 2) / (length * scale), 0, 1);
  return { x: share(left, picture.width, pane.width), y: share(top, picture.height, pane.height) };
}

// Parts of pixels add up: a slow hand moves as far as a fast one.
export function moved(view, picture, pane, dx, dy) {
  const { left, top, scale } = corner(view, picture, pane, (exact) => exact);
  return centred(picture, pane, { left: left + dx, top: top + dy, scale });
}

// Another magnification, under which the picture's point at `point` (in the pane) stays where it is.
export function zoomed(view, picture, pane, zoom, point = { x: pane.width / 2, y: pane.height / 2 }) {
  const { left, top, scale } = corner(view, picture, pane);
  const next = limit(zoom, LEAST, MOST);
  const place = (start, at) => ((start + at) / scale) * next - at;
  return { zoom: next, ...centred(picture, pane, { left: place(left, point.x), top: place(top, point.y), scale: next }) };
}

export const stepUp = (scale) => STEPS.find((step) => step > scale * 1.001) ?? MOST;
export const stepDown = (scale) => STEPS.findLast((step) => step < scale / 1.001) ?? LEAST;

// The part of the picture that the pane shows, as [top, left, bottom, right] in the picture's pixels.
export function seen(view, picture, pane) {
  const { left, top, scale } = corner(view, picture, pane);
  const range = (start, extent, length) => [
    limit(Math.floor(start / scale), 0, length - 1),
    limit(Math.ceil((start + extent) / scale), 1, length),
  ];
  const [x0, x1] = range(left, pane.width, picture.width);
  const [y0, y1] = range(top, pane.height, picture.height);
  return [y0, x0, y1, x1];
}
