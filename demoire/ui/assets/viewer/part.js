// A part of the photo to try the models on: a rectangle drawn by hand, or by Enter what the pane shows.

const LEAST = 16; // pixels of the photo

export class Part {
  constructor(root, chosen) {
    Object.assign(this, { root, chosen, drawing: false, box: null });
    this.button = root.querySelector(".try");
  }

  toggle() {
    this.drawing = !this.drawing;
    this.box = null;
    this.button.setAttribute("aria-pressed", String(this.drawing));
    this.root.dataset.drawing = this.drawing ? "yes" : "no";
    if (this.drawing) this.root.querySelector(".stage").focus({ preventScroll: true });
  }

  end() {
    if (this.drawing) this.toggle();
  }

  drag(box, ended) {
    this.box = box;
    if (!ended) return;
    const [top, left, bottom, right] = box;
    if (bottom - top >= LEAST && right - left >= LEAST) this.choose(box);
    else this.box = null;
  }

  choose(box) {
    this.end();
    this.chosen(box);
  }

  paint(context, { left, top, scale }) {
    if (!this.drawing || !this.box) return;
    const [y0, x0, y1, x1] = this.box;
    const place = [x0 * scale - left, y0 * scale - top, (x1 - x0) * scale, (y1 - y0) * scale].map(Math.round);
    for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width * devicePixelRatio });
      context.strokeRect(...place);
    }
  }
}
