// The bar above the pictures: mode, which two, gain, magnification; and the chips that name the panes.

import { listenToChips } from "./order.js";
import { nameOf, settingOf, usable } from "./panes.js";

export class Controls {
  // `acts` as in viewer.js.
  constructor(page, root, acts) {
    Object.assign(this, { page, root, acts });
    this.find = (name) => root.querySelector(name);
    this.all = (name) => [...root.querySelectorAll(name)];
    for (const button of this.all(".modes button")) button.addEventListener("click", () => acts.mode(button.dataset.mode, true));
    for (const side of ["a", "b"]) {
      const select = this.find(`.pick-${side}`);
      select.addEventListener("change", () => acts.pick(side, select.value));
    }
    const gain = this.find(".gain");
    gain.addEventListener("change", () => acts.set({ gain: Number(gain.value) }));
    this.find(".signed").addEventListener("change", (event) => acts.set({ signed: event.target.checked }));
    this.find(".zoom-in").addEventListener("click", () => acts.stepZoom(1));
    this.find(".zoom-out").addEventListener("click", () => acts.stepZoom(-1));
    this.find(".zoom-fit").addEventListener("click", () => acts.fit());
    this.find(".zoom-actual").addEventListener("click", () => acts.actual());
    const field = this.find(".zoom");
    field.addEventListener("change", () => acts.typeZoom(field.value));
    field.addEventListener("focus", () => field.select());
    this.find(".full").addEventListener("click", () => acts.full());
    this.find(".try").addEventListener("click", () => acts.toggleTry());
    listenToChips(this.find(".chips"), acts);
  }

  show(view, all, scale) {
    const panes = all.filter(usable);
    for (const button of this.all(".modes button")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === view.mode));
      button.disabled = button.dataset.mode !== "side" && panes.length < 2;
    }
    const together = view.mode === "side" && !view.hidden.includes("difference");
    this.find(".pair").hidden = (view.mode === "side" && !together) || panes.length < 2;
    this.find(".amplify").hidden = (view.mode !== "difference" && !together) || panes.length < 2;
    this.find(".gain").value = String(view.gain);
    this.find(".signed").checked = view.signed;
    for (const side of ["a", "b"]) this.offer(this.find(`.pick-${side}`), panes, view[side]);
    this.find(".zoom-fit").setAttribute("aria-pressed", String(view.zoom === 0));
    this.find(".zoom-actual").setAttribute("aria-pressed", String(view.zoom === 1));
    this.scale(view, scale);
  }

  // What stands in the field stays while it is being typed; `typed` says that it is complete.
  scale(view, scale, typed = false) {
    const field = this.find(".zoom");
    if (typed || document.activeElement !== field) field.value = this.percent(scale);
    const key = scale < 1 ? "viewer.note.smaller" : scale > 1 ? "viewer.note.larger" : "viewer.note.actual";
    const note = this.find(".viewer-note");
    this.page.show(note, key, { percent: this.percent(scale) });
    note.dataset.warns = scale < 1 ? "yes" : "no";
  }

  percent(scale) {
    const value = 100 * scale;
    return `${this.page.number(value, value < 10 && value % 1 ? 1 : 0)} %`;
  }

  offer(select, panes, chosen) {
    const names = panes.map((pane) => [pane.key, [nameOf(this.page, pane), settingOf(this.page, pane)].filter(Boolean).join(" · ")]);
    const wanted = JSON.stringify(names);
    if (select.dataset.offers !== wanted) {
      select.replaceChildren(...names.map(([key, name]) => new Option(name, key)));
      select.dataset.offers = wanted;
    }
    select.value = chosen;
  }

  // A chip per pane: pressed where it is shown. Its number is its key, wherever it is moved.
  chips(view, panes) {
    const entries = panes.map((pane) => ({
      key: pane.key,
      name: nameOf(this.page, pane),
      setting: settingOf(this.page, pane),
      number: pane.number > 1 && pane.number < 10 ? String(pane.number) : "",
    }));
    if (panes.length > 1) entries.push({ key: "difference", name: this.page.t("pane.difference"), setting: "", number: "" });
    const row = this.find(".chips");
    row.hidden = panes.length < 2 || view.mode !== "side";
    const focused = row.contains(document.activeElement) ? document.activeElement.dataset.pane : null;
    row.replaceChildren(...entries.map((entry) => this.chip(entry, !view.hidden.includes(entry.key))));
    if (focused) row.querySelector(`[data-pane="${CSS.escape(focused)}"]`)?.focus();
  }

  chip({ key, name, setting, number }, pressed) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "chip";
    button.dataset.pane = key;
    button.setAttribute("aria-pressed", String(pressed));
    button.setAttribute("aria-keyshortcuts", ["Shift+ArrowLeft Shift+ArrowRight", number].join(" ").trim());
    if (key !== "difference") button.title = this.page.t("viewer.chip");
    button.append(name);
    if (setting) button.append(Object.assign(document.createElement("small"), { textContent: setting }));
    if (number) button.append(Object.assign(document.createElement("kbd"), { textContent: number }));
    button.addEventListener("click", () => this.acts.toggle(key));
    return button;
  }

  say(text) {
    this.find(".viewer-said").textContent = text;
  }
}
