// The photo and its restored version: the whole one, scaled, with a divider; and the same place of both at true pixels:
// at 100 % one pixel of the photo is one pixel of the screen, whatever the screen's pixel ratio.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const whole = find(".whole-canvas");
const divider = find(".divider");
const frame = find(".frame");
const panes = { before: find(".pane.before"), after: find(".pane.after") };
const zooms = [...element.querySelectorAll("[data-zoom]")];
const colours = matchMedia("(color-gamut: p3)").matches ? "display-p3" : "srgb";
const mostTiles = 160; // of 1 MiB each when decoded

const state = { before: null, after: null, x: 0, y: 0, zoom: 1, split: 0.5 };

// The tiles of one view, fetched when they are first wanted; the oldest are dropped.
class Tiles {
  constructor(view) {
    Object.assign(this, view);
    this.pictures = new Map();
  }

  get(level, row, column) {
    const path = `views/${this.token}/${level}/${row}/${column}`;
    let picture = this.pictures.get(path);
    if (picture) {
      this.pictures.delete(path); // to the young end
    } else {
      picture = new Image();
      picture.onload = schedule;
      picture.src = page.address(path);
    }
    this.pictures.set(path, picture);
    if (this.pictures.size > mostTiles) this.pictures.delete(this.pictures.keys().next().value);
    return picture.complete && picture.naturalWidth ? picture : null;
  }

  // Draws the part that begins at photo pixel (left, top) with `scale` screen pixels per photo pixel.
  draw(context, left, top, scale) {
    const level = Math.min(this.levels - 1, Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-6)));
    const { width, height } = context.canvas;
    context.imageSmoothingEnabled = scale < 1;
    context.imageSmoothingQuality = "high";
    const tiles = this.covering(level, left, top, width / scale, height / scale);
    const coarse = this.levels - 1;
    if (tiles.some(({ picture }) => !picture) && level !== coarse) {
      tiles.unshift(...this.covering(coarse, left, top, width / scale, height / scale));
    }
    for (const { picture, x, y, factor } of tiles) if (picture) this.place(context, picture, x, y, factor * scale, scale);
  }

  // The tiles of a level that show a part of the photo, each with its place relative to the part's corner in photo pixels.
  covering(level, left, top, width, height) {
    const factor = 2 ** level;
    const size = this.side * factor;
    const indices = (start, extent, length) => {
      const first = Math.max(0, Math.floor(start / size));
      const end = Math.min(Math.ceil(length / size), Math.ceil((start + extent) / size));
      return Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index);
    };
    const columns = indices(left, width, this.width);
    return indices(top, height, this.height).flatMap((row) =>
      columns.map((column) => ({
        picture: this.get(level, row, column),
        x: column * size - left,
        y: row * size - top,
        factor,
      })),
    );
  }

  place(context, picture, x, y, factor, scale) {
    const [x0, y0] = [Math.round(x * scale), Math.round(y * scale)];
    const [x1, y1] = [Math.round(x * scale + picture.naturalWidth * factor), Math.round(y * scale + picture.naturalHeight * factor)];
    context.drawImage(picture, x0, y0, x1 - x0, y1 - y0);
  }
}

// Canvas sizes in screen pixels, exact where the browser tells them.
const sizes = new Map();
const observer = new ResizeObserver((entries) => {
  for (const entry of entries) {
    const box = entry.devicePixelContentBoxSize?.[0];
    const ratio = window.devicePixelRatio;
    const width = box?.inlineSize ?? Math.round(entry.contentRect.width * ratio);
    const height = box?.blockSize ?? Math.round(entry.contentRect.height * ratio);
    sizes.set(entry.target, { width, height });
  }
  schedule();
});
for (const canvas of [whole, panes.before, panes.after]) {
  try {
    observer.observe(canvas, { box: "device-pixel-content-box" });
  } catch {
    observer.observe(canvas);
  }
}

function prepare(canvas) {
  const { width, height } = sizes.get(canvas) ?? { width: 0, height: 0 };
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { colorSpace: colours });
  context.clearRect(0, 0, width, height);
  return context;
}

const shown = () => {
  const { width = 0, height = 0 } = sizes.get(panes.before) ?? {};
  return { width: width / state.zoom, height: height / state.zoom };
};

// The first photo pixel that the panes show: whole pixels, within the photo; a photo smaller than the pane is centred.
function origin() {
  const { width, height } = shown();
  const start = (centre, extent, length) =>
    length <= extent ? -Math.floor((extent - length) / 2) : Math.min(length - Math.floor(extent), Math.max(0, Math.round(centre - extent / 2)));
  return { left: start(state.x, width, state.before.width), top: start(state.y, height, state.before.height) };
}

function drawWhole() {
  const context = prepare(whole);
  const { width, height } = whole;
  const scale = width / state.before.width;
  state.before.draw(context, 0, 0, scale);
  if (!state.after) return;
  const edge = Math.round(width * state.split);
  context.save();
  context.beginPath();
  context.rect(edge, 0, width - edge, height);
  context.clip();
  context.clearRect(edge, 0, width - edge, height);
  state.after.draw(context, 0, 0, scale);
  context.restore();
}

function drawFrame() {
  const { width, height } = state.before;
  const { left, top } = origin();
  const extent = shown();
  const [x0, y0] = [Math.max(0, left), Math.max(0, top)];
  const [x1, y1] = [Math.min(width, left + extent.width), Math.min(height, top + extent.height)];
  Object.assign(frame.style, {
    left: `${(100 * x0) / width}%`,
    top: `${(100 * y0) / height}%`,
    width: `${(100 * (x1 - x0)) / width}%`,
    height: `${(100 * (y1 - y0)) / height}%`,
  });
}

let scheduled = false;
function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}

function draw() {
  if (!state.before) return;
  drawWhole();
  const { left, top } = origin();
  for (const side of ["before", "after"]) {
    const context = prepare(panes[side]);
    state[side]?.draw(context, left, top, state.zoom);
    panes[side].dataset.origin = `${left},${top}`;
  }
  drawFrame();
}

function moveTo(x, y) {
  const limit = (value, length) => Math.min(length, Math.max(0, value));
  state.x = limit(x, state.before.width);
  state.y = limit(y, state.before.height);
  schedule();
}

// Moving starts where the panes really are, not where a clamped wish lies beyond the edge.
function moveBy(dx, dy) {
  const { left, top } = origin();
  const { width, height } = shown();
  moveTo(left + width / 2 + dx, top + height / 2 + dy);
}

function setSplit(share) {
  state.split = Math.min(1, Math.max(0, share));
  divider.style.left = `${100 * state.split}%`;
  divider.setAttribute("aria-valuenow", String(Math.round(100 * state.split)));
  schedule();
}

function setZoom(zoom) {
  const { left, top } = state.before ? origin() : { left: 0, top: 0 };
  const { width, height } = shown();
  if (state.before) Object.assign(state, { x: left + width / 2, y: top + height / 2 });
  state.zoom = zoom;
  for (const button of zooms) button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === zoom));
  for (const output of element.querySelectorAll(".magnification")) output.textContent = `${100 * zoom} %`;
  for (const pane of Object.values(panes)) pane.dataset.zoom = zoom;
  schedule();
}

// A drag tells its movement in CSS pixels.
function onDrag(target, begin, move) {
  target.addEventListener("pointerdown", (event) => {
    if (!state.before || event.button !== 0) return;
    target.setPointerCapture(event.pointerId);
    target.dataset.dragging = "";
    begin(event);
    let [x, y] = [event.clientX, event.clientY];
    const follow = (next) => {
      move(next, next.clientX - x, next.clientY - y);
      [x, y] = [next.clientX, next.clientY];
    };
    const stop = () => {
      delete target.dataset.dragging;
      target.removeEventListener("pointermove", follow);
    };
    target.addEventListener("pointermove", follow);
    for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, stop, { once: true });
  });
}

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function onArrows(target, act) {
  target.addEventListener("keydown", (event) => {
    if (!(event.key in arrows) || !state.before) return;
    event.preventDefault();
    act(...arrows[event.key], event.shiftKey);
  });
}

const position = (event) => {
  const box = whole.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
};

onDrag(divider, () => {}, (event) => setSplit(position(event).x));
onArrows(divider, (dx) => setSplit(state.split + 0.02 * dx));

const wholeScale = () => state.before.width / whole.getBoundingClientRect().width;
const goTo = (event) => {
  const { x, y } = position(event);
  moveTo(x * state.before.width, y * state.before.height);
};
whole.addEventListener("click", goTo);
onDrag(frame, () => {}, (_, dx, dy) => moveBy(dx * wholeScale(), dy * wholeScale()));
onArrows(frame, (dx, dy, far) => moveBy(...[dx, dy].map((step) => step * (far ? 256 : 16))));

for (const pane of Object.values(panes)) {
  const ratio = () => window.devicePixelRatio / state.zoom;
  let [restX, restY] = [0, 0];
  onDrag(
    pane,
    () => ([restX, restY] = [0, 0]),
    (_, dx, dy) => {
      [restX, restY] = [restX - dx * ratio(), restY - dy * ratio()];
      const [stepX, stepY] = [Math.trunc(restX), Math.trunc(restY)];
      [restX, restY] = [restX - stepX, restY - stepY];
      moveBy(stepX, stepY);
    },
  );
  onArrows(pane, (dx, dy, far) => moveBy(...[dx, dy].map((step) => step * (far ? 256 : 16))));
}
for (const button of zooms) button.addEventListener("click", () => setZoom(Number(button.dataset.zoom)));

// A new photo starts in its middle; a new result keeps the place, the magnification and the divider.
function take({ photo, result }) {
  const isNew = photo?.token !== state.before?.token;
  if (isNew) {
    state.before = photo ? new Tiles(photo) : null;
    if (photo) {
      Object.assign(state, { x: photo.width / 2, y: photo.height / 2 });
      find(".stage").style.setProperty("--ratio", `${photo.width} / ${photo.height}`);
      find(".stage").style.setProperty("--shape", photo.width / photo.height);
      setZoom(1);
      setSplit(0.5);
      page.tell("photo", photo);
    }
  }
  if (result?.token !== state.after?.token) state.after = result ? new Tiles(result) : null;
  document.documentElement.dataset.photo = photo ? "yes" : "no";
  element.dataset.result = result ? "yes" : "no";
  schedule();
}

watch("value", () => take(props.value ?? {}));
page.translate(element);
take(props.value ?? {});
