// The viewer: panes of one picture, compared at the picture's own pixels. This file holds what is shown and how; the others
// know where a picture stands (transform), its tiles (tiles, difference), drawing (draw), cells (panes), bar (controls),
// hands (input), the order of the panes (order), the divider (divider), maps over pictures (maps), trying a part (part) and
// blinking (blink).

import { Blinking } from "./blink.js";
import { Controls } from "./controls.js";
import { Difference } from "./difference.js";
import { Divider } from "./divider.js";
import { drawArriving, prepare, rightOf } from "./draw.js";
import { listenToKeys, listenToPointers } from "./input.js";
import { Maps } from "./maps.js";
import { inherited, placed } from "./order.js";
import { alike, Cell, nameOf, settingOf, Sizes, usable } from "./panes.js";
import { Part } from "./part.js";
import { Picture, TileStore } from "./tiles.js";
import { corner, LEAST, limit, MOST, moved, scaleOf, seen, stepDown, stepUp, zoomed } from "./transform.js";

const MOST_RESULTS = 4; // side by side
const START = {
  mode: "side",
  zoom: 1,
  x: 0.5,
  y: 0.5,
  a: "",
  b: "",
  split: 0.5,
  gain: 4,
  signed: false,
  hidden: ["difference"],
  order: [],
  mask: false,
  patches: false,
};

export class Viewer {
  constructor(page, root, name) {
    Object.assign(this, { page, root, name, view: { ...START }, panes: [], pictures: new Map(), cells: new Map(), key: null });
    this.stage = root.querySelector(".stage");
    this.schedule = this.schedule.bind(this);
    this.sizes = new Sizes(this.schedule);
    this.store = new TileStore((path) => page.address(path), this.schedule);
    this.difference = new Difference(this.schedule);
    this.maps = new Maps(root, this.store, (kind) => this.toggleMap(kind));
    this.divider = new Divider(page, (split) => this.set({ split }));
    this.blinking = new Blinking(this.schedule);
    this.part = new Part(root, (box) => page.request({ box }));
    const acts = this.acts();
    this.controls = new Controls(page, root, acts);
    listenToPointers(this.stage, acts);
    listenToKeys(root, acts);
    page.onLanguage(() => this.layout());
    document.addEventListener("fullscreenchange", this.schedule);
  }

  // Everything that hands and buttons may ask for.
  acts() {
    const place = () => [this.view, this.panes[0].source, this.size];
    const ready = (act) => (...given) => (this.panes.length ? act(...given) : false);
    return {
      move: ready((dx, dy) => this.set(moved(...place(), dx * devicePixelRatio, dy * devicePixelRatio), false)),
      zoomBy: ready((factor, point) => this.zoomTo(this.scale * factor, this.within(point))),
      stepZoom: ready((direction) => this.zoomTo(direction > 0 ? stepUp(this.scale) : stepDown(this.scale))),
      typeZoom: ready((text) => {
        const percent = Number.parseFloat(text.replace(",", "."));
        if (Number.isFinite(percent)) this.zoomTo(percent / 100);
        this.controls.scale(this.view, this.scale, true);
      }),
      fit: ready(() => this.set({ zoom: 0 })),
      actual: ready(() => this.zoomTo(1)),
      mode: ready((mode, stay) => this.setMode(!stay && this.view.mode === mode ? "side" : mode)),
      choose: ready((number) => this.choose(this.panes.find((pane) => pane.number === number))),
      pick: (side, key) => this.set({ [side]: key }),
      set: (change) => this.set(change),
      toggle: (key) => this.toggle(key),
      map: (kind) => this.maps.has(kind) && this.toggleMap(kind),
      step: (key, direction) => this.step(key, direction),
      reorder: (key, target) => this.reorder(key, target),
      flip: () => this.view.mode === "blink" && this.blinking.flip(),
      full: ready(() => this.toggleFull()),
      toggleTry: ready(() => this.part.toggle()),
      confirm: () => this.part.drawing && this.part.choose(seen(...place())),
      escape: () => this.part.drawing && this.part.toggle(),
      drawing: () => this.part.drawing,
      rectangle: (from, to, ended) => this.drawRectangle(from, to, ended),
      whole: (pane) => this.page.request({ model: pane.run.model }),
    };
  }

  // ---- What is shown

  // A comparison as the server describes it. Another picture starts anew; other results keep place, zoom and mode.
  take(value) {
    const { key = null, panes = [], view = null } = value ?? {};
    const anew = key !== this.key;
    const known = new Set(this.panes.map((pane) => pane.key));
    if (anew) {
      this.key = key;
      this.view = { ...START, ...view };
      this.store.clear();
      this.pictures.clear();
      this.part.end();
    }
    this.view.order = inherited(this.view.order, this.panes, panes, alike);
    this.panes = this.sorted(panes.map((pane, index) => ({ ...pane, number: index + 1 })));
    this.pictures = new Map(this.panes.map((pane) => [pane.key, this.picture(pane)]));
    this.maps.take(this.panes);
    const fresh = this.panes.filter((pane) => pane.role === "result" && usable(pane) && (anew || !known.has(pane.key)));
    this.choosePair(anew && view ? [] : fresh);
    this.hideSurplus();
    this.root.dataset.empty = this.panes.length ? "no" : "yes";
    this.layout();
  }

  picture(pane) {
    const known = this.pictures.get(pane.key);
    return (known?.base === pane.source.base ? known : new Picture(this.store)).take(pane);
  }

  // In the visitor's order; what that does not name follows.
  sorted(panes) {
    const { order } = this.view;
    const rank = (pane) => (order.includes(pane.key) ? order.indexOf(pane.key) : order.length);
    return panes.sort((one, other) => rank(one) - rank(other) || one.number - other.number);
  }

  // The photo itself, wherever it stands.
  get first() {
    return this.panes.find((pane) => pane.number === 1);
  }

  // The original against the newest result, unless the visitor chose otherwise.
  choosePair(fresh) {
    const panes = this.panes.filter(usable);
    const has = (key) => panes.some((pane) => pane.key === key);
    const results = panes.filter((pane) => pane.role === "result");
    const newest = results.sort((one, other) => other.number - one.number)[0] ?? panes[1];
    if (!has(this.view.a)) this.view.a = this.first?.key ?? "";
    if (!has(this.view.b) || fresh.length) this.view.b = (fresh[0] ?? newest)?.key ?? this.view.a;
    if (panes.length < 2) this.view.mode = "side";
  }

  hideSurplus() {
    const visible = this.panes.filter((pane) => pane.role === "result" && !this.view.hidden.includes(pane.key));
    const surplus = visible.slice(0, Math.max(0, visible.length - MOST_RESULTS)).map((pane) => pane.key);
    this.view.hidden = [...this.view.hidden, ...surplus];
  }

  // Cells for what the mode shows; those that stay keep their canvases.
  layout() {
    const shown = this.shown();
    for (const [key, cell] of this.cells) {
      if (shown.includes(key)) continue;
      cell.remove();
      this.cells.delete(key);
    }
    const { page, sizes } = this;
    for (const key of shown) {
      if (!this.cells.has(key)) this.cells.set(key, new Cell(page, key, sizes, (direction) => this.step(key, direction)));
    }
    this.arrange(shown.map((key) => this.cells.get(key).figure));
    this.stage.dataset.cells = shown.length;
    this.stage.dataset.mode = this.view.mode;
    this.describe();
    this.controls.show(this.view, this.panes, this.scale);
    this.controls.chips(this.view, this.panes);
    this.maps.show(this.view);
    this.blinking.run(this.view.mode === "blink");
    this.schedule();
  }

  // Moving a node takes the focus from what stands on it.
  arrange(figures) {
    if (figures.every((figure, at) => this.stage.children[at] === figure)) return;
    const focused = this.stage.contains(document.activeElement) ? document.activeElement : null;
    this.stage.replaceChildren(...figures);
    focused?.focus({ preventScroll: true });
  }

  // Keys of the cells: panes side by side, or one cell for two of them.
  shown() {
    if (!this.panes.length) return [];
    if (this.view.mode !== "side") return ["both"];
    const keys = this.panes.map((pane) => pane.key).filter((key) => !this.view.hidden.includes(key));
    if (!this.view.hidden.includes("difference") && this.panes.length > 1) keys.push("difference");
    return keys.length ? keys : [this.panes[0].key];
  }

  describe() {
    const pair = ["a", "b"].map((side) => this.panes.find((pane) => pane.key === this.view[side]));
    const names = pair.map((pane) => pane && [nameOf(this.page, pane), settingOf(this.page, pane)].filter(Boolean).join(" · "));
    const change = [...names].reverse().join(" − "); // as subtract() has it
    const both = this.cells.get("both");
    for (const pane of this.panes) this.cells.get(pane.key)?.describe(pane, this.acts());
    this.cells.get("difference")?.entitle(this.page.t("pane.difference"), change);
    const movable = [...this.cells].filter(([key]) => this.pictures.has(key));
    for (const [key, cell] of this.cells) cell.stand(this.placeOf(key), this.pictures.has(key) ? movable.length : 0);
    this.divider.place(this.view.mode === "split" ? both.frame : null, names, this.view.split);
    if (!both) return;
    if (this.view.mode === "difference") both.entitle(this.page.t("pane.difference"), change);
    if (this.view.mode === "split") both.entitle(names.join(" | "), "");
    if (this.view.mode === "blink") both.entitle(this.blinking.second ? names[1] : names[0], this.page.t("viewer.blink"));
  }

  // ---- How it is looked at

  set(change, lasting = true) {
    Object.assign(this.view, change);
    if (lasting) this.layout();
    else this.schedule();
  }

  setMode(mode) {
    if (mode === "side" || this.panes.filter(usable).length > 1) this.set({ mode });
  }

  // Of the panes shown side by side.
  placeOf(key) {
    return this.row(key).findIndex((pane) => pane.key === key);
  }

  // Among whom a pane moves: those that are shown, or all for one that is not.
  row(key) {
    const { hidden } = this.view;
    return hidden.includes(key) ? this.panes : this.panes.filter((pane) => !hidden.includes(pane.key));
  }

  step(key, direction) {
    const target = this.row(key)[this.placeOf(key) + direction];
    if (target && this.pictures.has(key)) this.reorder(key, target.key);
  }

  reorder(key, target) {
    if (!this.pictures.has(key) || !this.pictures.has(target)) return; // the difference stays last
    this.view.order = placed(this.panes.map((pane) => pane.key), key, target);
    this.panes = this.sorted(this.panes);
    this.layout();
    const [name, place] = [nameOf(this.page, this.panes.find((pane) => pane.key === key)), this.placeOf(key) + 1];
    this.controls.say(this.page.t("viewer.moved", { name, place, count: this.row(key).length }));
  }

  zoomTo(zoom, point) {
    this.set(zoomed(this.view, this.panes[0].source, this.size, zoom, point), false);
    this.controls.show(this.view, this.panes, this.scale);
  }

  choose(pane) {
    if (!pane) return false;
    if (this.view.mode === "side") return this.toggle(pane.key);
    return usable(pane) && this.set({ b: pane.key });
  }

  toggle(key) {
    const { hidden } = this.view;
    this.set({ hidden: hidden.includes(key) ? hidden.filter((other) => other !== key) : [...hidden, key] });
  }

  toggleMap(kind) {
    this.set({ [kind]: !this.view[kind] });
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  get size() {
    return this.cells.values().next().value?.size ?? { width: 0, height: 0 };
  }

  get scale() {
    return this.panes.length && this.size.width ? scaleOf(this.view, this.panes[0].source, this.size) : this.view.zoom || 1;
  }

  // A point of the page, in device pixels of the canvas under it.
  within({ x, y }) {
    const canvases = [...this.cells.values()].map((cell) => cell.canvas.getBoundingClientRect());
    const box = canvases.find((edge) => x >= edge.left && x < edge.right && y >= edge.top && y < edge.bottom) ?? canvases[0];
    return { x: (x - box.left) * devicePixelRatio, y: (y - box.top) * devicePixelRatio };
  }

  drawRectangle(from, to, ended) {
    const box = from.target.getBoundingClientRect();
    const { source } = this.panes[0];
    const { left, top, scale } = corner(this.view, source, this.size);
    const point = ({ clientX, clientY }) => [
      limit(Math.round(((clientY - box.top) * devicePixelRatio + top) / scale), 0, source.height),
      limit(Math.round(((clientX - box.left) * devicePixelRatio + left) / scale), 0, source.width),
    ];
    const [[y0, x0], [y1, x1]] = [point(from), point(to)];
    this.part.drag([Math.min(y0, y1), Math.min(x0, x1), Math.max(y0, y1), Math.max(x0, x1)], ended);
    this.schedule();
  }

  // For links, and for what the next run computes first.
  state() {
    return this.panes.length ? { ...this.view, zoom: this.view.zoom && limit(this.view.zoom, LEAST, MOST) } : null;
  }

  seen() {
    return this.panes.length && this.size.width ? seen(this.view, this.panes[0].source, this.size) : null;
  }

  // ---- Drawing

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  draw() {
    if (!this.panes.length || !this.size.width) return;
    const place = corner(this.view, this.panes[0].source, this.size);
    this.store.beginFrame();
    this.difference.beginFrame();
    const { mode, a, b, gain, signed } = this.view;
    const pair = [this.pictures.get(a), this.pictures.get(b)];
    if (pair[0] && pair[1]) this.difference.take(...pair, gain, signed);
    for (const [key, cell] of this.cells) this.paint(key, cell, mode, pair, place);
    if (mode === "blink") this.describe();
    const complete = this.store.endFrame() && !this.difference.waiting;
    Object.assign(this.stage.dataset, { place: `${place.left},${place.top},${place.scale}`, complete: complete ? "yes" : "no" });
    this.controls.scale(this.view, place.scale);
  }

  paint(key, cell, mode, [a, b], place) {
    const context = prepare(cell.canvas, cell.size);
    const original = this.pictures.get(this.first.key);
    const draw = (picture) => {
      drawArriving(context, picture, original, place);
      this.maps.paint(context, picture.pane.key, place, this.view);
    };
    if (key === "difference" || (key === "both" && mode === "difference")) drawArriving(context, this.difference, null, place);
    else if (key !== "both") draw(this.pictures.get(key));
    else if (mode === "blink") draw(this.blinking.second ? b : a);
    else {
      draw(a);
      rightOf(context, Math.round(cell.size.width * this.view.split), () => draw(b));
    }
    this.part.paint(context, place);
  }
}

// Puts a viewer into the component; its value is a comparison.
export function mount(element, { page, props, watch }) {
  const viewer = new Viewer(page, element.querySelector(".viewer"), props.name);
  page.views[props.name] = () => viewer.state();
  page.seen[props.name] = () => viewer.seen();
  page.translate(element);
  const take = page.newest((value) => viewer.take(value));
  watch("value", () => take(props.value));
  take(props.value);
  viewer.root.dataset.ready = "yes";
}
