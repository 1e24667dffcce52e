// Two pictures in turn. Where less motion is wished for, only when asked.

const PAUSE = 700; // milliseconds

export class Blinking {
  constructor(changed) {
    Object.assign(this, { changed, second: false, timer: null });
  }

  run(on) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (on && !still && !this.timer) this.timer = setInterval(() => this.turn(), PAUSE);
    if (!on) this.stop();
  }

  turn() {
    this.second = !this.second;
    this.changed();
  }

  // By hand: from then on it waits for the hand.
  flip() {
    clearInterval(this.timer);
    this.timer ??= true;
    this.turn();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.second = false;
  }
}
