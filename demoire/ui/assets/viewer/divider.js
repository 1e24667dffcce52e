// The divider between two pictures in one pane.

const STEP = 0.02;

export class Divider {
  constructor(page, move) {
    this.handle = document.createElement("div");
    Object.assign(this, { page, move });
    const { handle } = this;
    handle.className = "divider";
    Object.assign(handle, { tabIndex: 0, role: "slider", ariaValueMin: "0", ariaValueMax: "100" });
    handle.dataset.label = "viewer.divider";
    this.tags = ["a", "b"].map((side) => {
      const tag = document.createElement("span");
      tag.classList.add("tag", `tag-${side}`);
      handle.append(tag);
      return tag;
    });
    handle.append(document.createElement("i"));
    handle.addEventListener("pointerdown", (event) => this.drag(event));
    handle.addEventListener("keydown", (event) => {
      const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!direction) return;
      event.preventDefault();
      event.stopPropagation();
      this.move(Math.min(1, Math.max(0, this.split + direction * STEP)));
    });
  }

  // Into a cell's frame, or away.
  place(frame, names, split) {
    this.split = split;
    if (!frame) return this.handle.remove();
    if (this.handle.parentNode !== frame) frame.append(this.handle);
    this.tags.forEach((tag, index) => (tag.textContent = names[index] ?? ""));
    this.handle.style.left = `${100 * split}%`;
    this.handle.ariaValueNow = String(Math.round(100 * split));
    this.page.translate(frame);
  }

  drag(event) {
    const { handle } = this;
    handle.setPointerCapture(event.pointerId);
    const follow = ({ clientX }) => {
      const box = handle.parentNode.getBoundingClientRect();
      this.move(Math.min(1, Math.max(0, (clientX - box.left) / box.width)));
    };
    handle.addEventListener("pointermove", follow);
    const stop = () => handle.removeEventListener("pointermove", follow);
    for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, stop, { once: true });
  }
}
