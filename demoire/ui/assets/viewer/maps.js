// Maps over the pictures: where the detector sees moire, and how much each patch looks like a clean photo.

import { draw } from "./draw.js";
import { Picture } from "./tiles.js";

const KINDS = ["mask", "patches"];

export class Maps {
  // `toggle(kind)` shows the maps of a kind, or hides them.
  constructor(root, store, toggle) {
    Object.assign(this, { store, found: new Map() });
    this.group = root.querySelector(".maps");
    this.buttons = new Map(KINDS.map((kind) => [kind, root.querySelector(`[data-map=${kind}]`)]));
    this.legends = new Map(KINDS.map((kind) => [kind, root.querySelector(`[data-legend=${kind}]`)]));
    for (const [kind, button] of this.buttons) button.addEventListener("click", () => toggle(kind));
  }

  take(panes) {
    const known = this.found;
    const entries = panes.filter((pane) => pane.overlay).map(({ key, overlay, source }) => {
      const { picture } = known.get(key) ?? {};
      const same = picture?.base === overlay.source.base;
      const own = same ? picture : new Picture(this.store).take({ source: overlay.source, arrived: null });
      return [key, { overlay, source, picture: own }];
    });
    this.found = new Map(entries);
  }

  has(kind) {
    return [...this.found.values()].some(({ overlay }) => overlay.kind === kind);
  }

  // Buttons for the kinds that there are, legends for those that are shown.
  show(view) {
    this.group.hidden = this.found.size === 0;
    for (const kind of KINDS) {
      const there = this.has(kind);
      this.buttons.get(kind).hidden = !there;
      this.buttons.get(kind).setAttribute("aria-pressed", String(view[kind]));
      this.legends.get(kind).hidden = !there || !view[kind];
    }
    for (const { overlay } of this.found.values()) {
      const { colours, kind } = overlay;
      const scale = this.legends.get(kind).querySelector("i");
      scale.style.background = colours.length > 1 ? `linear-gradient(90deg, ${colours.join(", ")})` : colours[0];
    }
  }

  // Over what `key` names, which has just been drawn; the last cells of a row may reach past its end.
  paint(context, key, { left, top, scale }, view) {
    const { overlay, source, picture } = this.found.get(key) ?? {};
    if (!overlay || !view[overlay.kind]) return;
    context.save();
    context.beginPath();
    context.rect(-left, -top, Math.round(source.width * scale), Math.round(source.height * scale));
    context.clip();
    draw(context, picture, { left, top, scale: scale * overlay.cell });
    context.restore();
  }
}
