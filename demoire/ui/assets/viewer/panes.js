// The cells in which pictures stand: caption, canvas, and the size of the canvas in device pixels.

const FIGURES = ["raw", "fitted", "ssim", "bands_left"];

// What a pane is called: its model, or what it is.
export function nameOf(page, pane) {
  if (pane.run) {
    const family = pane.run.family.toUpperCase();
    return pane.run.model === pane.run.family ? family : `${family} ${pane.run.model}`;
  }
  return page.t(`pane.${pane.role}`);
}

// What tells a result from another one of the same model.
export function settingOf(page, pane) {
  const { run, state } = pane;
  if (!run) return "";
  const parts = [];
  if (run.box) parts.push(page.t("pane.part"));
  if (run.photos > 1) parts.push(page.t("pane.photos", { photos: run.photos }));
  if (run.tile) parts.push(page.t("pane.tile", { side: run.tile }));
  if (state === "cancelled" || state === "failed") parts.push(page.t(`pane.${state}`));
  return parts.join(" · ");
}

// Whether there is something of it to compare.
export const usable = (pane) => pane.state !== "failed" || pane.arrived.length > 0;

// Whether two results were asked for in the same way.
export function alike(one, other) {
  const asked = ({ run }) => JSON.stringify([run.model, run.tile, run.box, run.photos]);
  return Boolean(one.run && other.run) && asked(one) === asked(other);
}

function factsOf(page, pane) {
  const { run } = pane;
  if (!run) return pane.label ? [pane.label] : [];
  const facts = [];
  const setting = settingOf(page, pane);
  if (setting) facts.push(setting);
  if (run.seconds > 0 && !["working", "failed"].includes(pane.state)) facts.push(page.t("run.seconds", { seconds: page.number(run.seconds, 1) }));
  if (run.photos === 1) facts.push(page.t("pane.one_photo"));
  if (run.origin) facts.push(page.t(`run.origin.${run.origin}`));
  return facts;
}

// What detector and discriminator say of it, then figures against a reference.
function figuresOf(page, { figures, run, moire }) {
  const said = moire ? [page.moire(moire)] : [];
  if (typeof run?.looks_clean === "number") said.push(page.t("pane.looks_clean", { percent: page.number(100 * run.looks_clean) }));
  const known = FIGURES.filter((name) => name in figures);
  return [...said, ...known.map((name) => page.t(`figure.${name}`, { value: page.number(figures[name], name === "ssim" ? 4 : 2) }))];
}

const make = (tag, name, parent) => {
  const node = document.createElement(tag);
  node.className = name;
  parent?.append(node);
  return node;
};

export class Cell {
  // `step(direction)` moves the pane among those that are shown.
  constructor(page, key, sizes, step) {
    this.page = page;
    this.figure = make("figure", "cell");
    this.figure.dataset.key = key;
    const caption = make("figcaption", "", this.figure);
    this.name = make("strong", "cell-name", caption);
    this.facts = make("span", "cell-facts", caption);
    this.acts = make("span", "cell-acts", caption);
    this.moves = make("span", "cell-moves", caption);
    this.steps = [-1, 1].map((direction) => this.stepper(direction, step));
    this.figures = make("p", "cell-figures", this.figure);
    this.frame = make("div", "cell-frame", this.figure);
    this.canvas = make("canvas", "", this.frame);
    this.canvas.setAttribute("role", "img");
    this.problem = make("p", "cell-problem", this.frame);
    this.sizes = sizes;
    sizes.observe(this.canvas);
  }

  // `acts`: whole(pane) restores the whole photo where only a part was tried.
  describe(pane, acts) {
    const { page } = this;
    this.figure.dataset.state = pane.state;
    this.name.textContent = nameOf(page, pane);
    this.facts.textContent = factsOf(page, pane).join(" · ");
    this.figures.textContent = figuresOf(page, pane).join(" · ");
    this.problem.textContent = pane.problem?.[page.language] ?? "";
    const said = [this.facts.textContent, this.figures.textContent].filter(Boolean).join(" · ");
    this.figure.title = said;
    this.canvas.setAttribute("aria-label", [this.name.textContent, said].filter(Boolean).join(", "));
    const offered = JSON.stringify([pane.file, pane.state, page.language]);
    if (this.offered === offered) return; // or who stands on a link would lose it with every tile
    this.offered = offered;
    this.acts.replaceChildren(...this.actions(pane, acts));
  }

  actions(pane, acts) {
    const found = [];
    if (pane.run?.box && pane.state === "done") {
      const button = make("button", "whole-photo");
      button.type = "button";
      this.page.show(button, "pane.whole");
      button.addEventListener("click", () => acts.whole(pane));
      found.push(button);
    }
    if (pane.file) {
      const link = make("a", "take");
      Object.assign(link, { href: this.page.address(pane.file.address), download: pane.file.name });
      this.page.show(link, "pane.take");
      link.setAttribute("aria-label", this.page.t("pane.take.label", { name: pane.file.name }));
      found.push(link);
    }
    return found;
  }

  stepper(direction, step) {
    const button = make("button", direction < 0 ? "earlier" : "later", this.moves);
    button.type = "button";
    button.addEventListener("click", () => step(direction));
    return button;
  }

  // Where it stands among the panes shown; one that cannot go further keeps its focus.
  stand(place, count) {
    this.moves.hidden = count < 2;
    const ends = [place === 0, place === count - 1];
    this.steps.forEach((button, at) => {
      const key = at ? "pane.later" : "pane.earlier";
      button.setAttribute("aria-label", this.page.t(key, { name: this.name.textContent }));
      button.title = button.ariaLabel;
      button.setAttribute("aria-disabled", String(ends[at]));
    });
  }

  entitle(name, facts) {
    Object.assign(this.name, { textContent: name });
    this.facts.textContent = facts;
    this.acts.replaceChildren();
    this.canvas.setAttribute("aria-label", [name, facts].filter(Boolean).join(", "));
  }

  get size() {
    return this.sizes.of(this.canvas);
  }

  remove() {
    this.sizes.unobserve(this.canvas);
    this.figure.remove();
  }
}

// Sizes of canvases in device pixels, exact where the browser tells them.
export class Sizes {
  constructor(changed) {
    this.known = new Map();
    this.observer = new ResizeObserver((entries) => {
      for (const entry of entries) this.known.set(entry.target, this.measure(entry));
      changed();
    });
  }

  measure(entry) {
    const box = entry.devicePixelContentBoxSize?.[0];
    if (box) return { width: box.inlineSize, height: box.blockSize };
    const ratio = window.devicePixelRatio;
    return { width: Math.round(entry.contentRect.width * ratio), height: Math.round(entry.contentRect.height * ratio) };
  }

  observe(canvas) {
    try {
      this.observer.observe(canvas, { box: "device-pixel-content-box" });
    } catch {
      this.observer.observe(canvas); // Safari
    }
  }

  unobserve(canvas) {
    this.observer.unobserve(canvas);
    this.known.delete(canvas);
  }

  of(canvas) {
    return this.known.get(canvas) ?? { width: 0, height: 0 };
  }
}
