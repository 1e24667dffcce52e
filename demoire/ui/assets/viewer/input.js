// Mouse, touch and keyboard, told as what they mean: move, zoom, choose.

const FAR = 512; // CSS pixels that Shift and an arrow move
const NEAR = 64;
const WHEEL = 300; // pixels of wheel that double the size

const spread = ([one, other]) => Math.hypot(one.x - other.x, one.y - other.y);
const middle = ([one, other]) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });

// `acts`: move(dx, dy) and zoomBy(factor, point) in CSS pixels of the page; drawing() says that a rectangle is drawn now,
// rectangle(from, to, ended) tells it.
export function listenToPointers(stage, acts) {
  const fingers = new Map();
  let rectangle = null;

  const follow = (event) => {
    const before = [...fingers.values()];
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = [...fingers.values()];
    if (after.length === 1) acts.move(before[0].x - after[0].x, before[0].y - after[0].y);
    if (after.length !== 2) return;
    const [from, to] = [middle(before), middle(after)];
    acts.move(from.x - to.x, from.y - to.y);
    acts.zoomBy(spread(after) / Math.max(1, spread(before)), to);
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !(event.target instanceof HTMLCanvasElement)) return;
    stage.setPointerCapture(event.pointerId);
    if (acts.drawing()) rectangle = { id: event.pointerId, from: event };
    else fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.dataset.held = "";
  });
  stage.addEventListener("pointermove", (event) => {
    if (rectangle?.id === event.pointerId) acts.rectangle(rectangle.from, event, false);
    else if (fingers.has(event.pointerId)) follow(event);
  });
  const release = (event) => {
    if (rectangle?.id === event.pointerId) {
      acts.rectangle(rectangle.from, event, event.type === "pointerup");
      rectangle = null;
    }
    fingers.delete(event.pointerId);
    if (fingers.size === 0) delete stage.dataset.held;
  };
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, release);

  // One finger up or down scrolls the page; two belong to the picture.
  const two = (event) => event.touches.length > 1 && event.cancelable && event.preventDefault();
  for (const kind of ["touchstart", "touchmove"]) stage.addEventListener(kind, two, { passive: false });

  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 40 : 1;
      const speed = event.ctrlKey ? 4 : 1; // a pinch on a touchpad comes in small steps
      acts.zoomBy(2 ** ((-event.deltaY * lines * speed) / WHEEL), { x: event.clientX, y: event.clientY });
    },
    { passive: false },
  );
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const typing = (target) => target.matches("input, select, textarea, [role=slider]");
const pressing = (event) => event.target.matches("button, a, summary") && [" ", "Enter"].includes(event.key);

// `acts` besides: stepZoom(direction), fit(), full(), actual(), mode(name), choose(number), map(kind), flip(), confirm(), escape().
export function listenToKeys(viewer, acts) {
  const keys = {
    "+": () => acts.stepZoom(1),
    "=": () => acts.stepZoom(1),
    "-": () => acts.stepZoom(-1),
    0: () => acts.fit(),
    1: () => acts.actual(),
    d: () => acts.mode("difference"),
    b: () => acts.mode("blink"),
    s: () => acts.mode("split"),
    f: () => acts.full(),
    m: () => acts.map("mask"),
    p: () => acts.map("patches"),
    " ": () => acts.flip(),
    Enter: () => acts.confirm(),
    Escape: () => acts.escape(),
  };
  viewer.addEventListener("keydown", (event) => {
    if (typing(event.target) || pressing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key in ARROWS) {
      const far = event.shiftKey ? FAR : NEAR;
      acts.move(...ARROWS[key].map((direction) => direction * far));
    } else if (/^[2-9]$/.test(key)) acts.choose(Number(key));
    else if (!(key in keys) || keys[key]() === false) return; // false: nothing to do, the key keeps its usual meaning
    event.preventDefault();
  });
}
