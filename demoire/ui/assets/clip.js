// A clip: brought, restored, and played beside the result in step. The server sends a phase; the words are chosen here.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const [root, input, models, state, text, bar] = [".clip", ".clip-input", ".clip-models", ".clip-state", ".clip-text", ".clip-bar"].map(find);
const [scrubber, place, play, pixels] = [".clip-scrubber", ".clip-place", ".clip-play", ".clip-pixels"].map(find);
const sides = [...element.querySelectorAll(".clip-player")].map((node) => ({
  what: node.querySelector("select"),
  frame: node.querySelector(".clip-frame"),
  video: node.querySelector("video"),
  still: node.querySelector("img"),
}));
const limit = props.megabytes * 2 ** 20;
const running = ["queued", "loading", "working", "stopping"];
let told = { phase: "empty", runs: [] };
let run = null;
let index = 0;
let following = false;

page.show(find(".kinds"), "clip.kinds", {
  seconds: page.number(props.seconds),
  megapixels: page.number(props.megapixels, 1),
  megabytes: props.megabytes,
});

const headings = {
  opening: "clip.opening",
  ready: "clip.ready",
  queued: "state.queued",
  loading: "state.loading",
  working: "state.working",
  stopping: "clip.stopping",
  done: "state.done",
  failed: "state.failed",
  cancelled: "state.cancelled",
};

function length(seconds) {
  if (seconds < 90) return page.t("clip.seconds", { seconds: page.number(Math.ceil(seconds)) });
  return page.t("clip.minutes", { minutes: page.number(Math.ceil(seconds / 60)) });
}

function sentence() {
  const { phase, done, total, rate, left } = told;
  if (phase === "queued") return told.before ? page.t("state.before", { before: page.number(told.before) }) : "";
  if (phase === "working") {
    const speed = page.number(rate, rate < 1 ? 2 : 1);
    if (!total) return page.t("clip.progress.open", { done, rate: speed });
    return page.t("clip.progress", { done, total, rate: speed, left: length(left) });
  }
  if (phase === "failed") {
    const words = told.key ? page.t(told.key, told.places) : told.error[page.language];
    return told.runs.some((made) => !made.whole) ? `${words} ${page.t("clip.kept")}` : words;
  }
  if (phase === "cancelled") return page.t(told.runs.length ? "clip.kept" : "clip.nothing");
  return "";
}

function facts({ height, width, frames, seconds, rate }) {
  const parts = [`${width} × ${height}`];
  if (frames) parts.push(page.t("clip.frames", { frames: page.number(frames) }));
  if (seconds) parts.push(page.t("clip.seconds", { seconds: page.number(seconds, 1) }));
  if (rate) parts.push(page.t("clip.rate", { rate: page.number(rate, rate % 1 ? 2 : 0) }));
  return parts.join(" · ");
}

function render() {
  root.dataset.phase = told.phase;
  root.dataset.clip = told.clip ? "yes" : "no";
  root.dataset.played = told.runs.length && !running.includes(told.phase) ? "yes" : "no";
  state.textContent = headings[told.phase] ? page.t(headings[told.phase]) : "";
  text.textContent = sentence();
  const share = told.phase === "working" && told.total ? Math.min(100, Math.round((100 * told.done) / told.total)) : 0;
  bar.setAttribute("aria-valuenow", String(share));
  bar.firstElementChild.style.width = `${share}%`;
  if (told.clip) {
    find(".clip-name").textContent = find(".clip-name").title = told.clip.name;
    find(".clip-facts").textContent = facts(told.clip);
  }
  find(".clip-runs").replaceChildren(...told.runs.map(row));
  const last = told.runs.find((made) => made.model === told.made) ?? told.runs.at(-1);
  find(".clip-notices").replaceChildren(...(running.includes(told.phase) ? [] : (last?.notices ?? [])).map(note));
  for (const label of models.querySelectorAll("span")) label.textContent = page.t(`model.${label.dataset.model}`);
  for (const side of [0, 1]) name(side);
  showPlace();
}

const title = (made) => (made.model === made.family ? made.family.toUpperCase() : `${made.family.toUpperCase()} ${made.model}`);

// A finished run and its files.
function row(made) {
  const item = document.createElement("li");
  const head = document.createElement("strong");
  const line = document.createElement("span");
  head.textContent = title(made);
  line.textContent = [
    page.t("clip.frames", { frames: page.number(made.frames) }),
    page.t("run.seconds", { seconds: page.number(made.seconds, 1) }),
  ].join(" · ");
  item.append(head, line, ...made.files.map(link));
  return item;
}

function link(file) {
  const anchor = document.createElement("a");
  Object.assign(anchor, { href: page.address(file.address), download: file.name });
  anchor.classList.add("plain", "clip-download");
  anchor.textContent = page.t("clip.download", { kind: file.name.split(".").pop().toUpperCase() });
  anchor.setAttribute("aria-label", page.t("pane.take.label", { name: file.name }));
  return anchor;
}

function note(texts) {
  const item = document.createElement("li");
  item.textContent = texts[page.language];
  return item;
}

// What stands on each side: the clip as it came, or one of the results.
function name(side) {
  const { what } = sides[side];
  const before = what.value;
  const choices = [["", page.t("clip.original")], ...told.runs.map((made) => [made.model, title(made)])];
  what.replaceChildren(...choices.map(([value, label]) => new Option(label, value)));
  what.value = choices.some(([value]) => value === before) ? before : "";
  what.disabled = told.runs.length === 0;
}

const chosen = (side) => told.runs.find((made) => made.model === sides[side].what.value);
// The run whose frames are counted: that on the right, else on the left, else the last.
const counted = () => chosen(1) ?? chosen(0) ?? told.runs.at(-1);

function address(side) {
  const made = chosen(side);
  return made ? made.after : counted()?.before;
}

function load() {
  pause();
  const made = counted();
  for (const side of [0, 1]) {
    const { video, still } = sides[side];
    const source = made ? page.address(address(side)) : "";
    if (source && video.getAttribute("src") !== source) {
      video.src = source;
      video.load();
    }
    if (!source) video.removeAttribute("src");
    video.hidden = !source;
    still.hidden = Boolean(source);
  }
  scrubber.max = String(made ? made.frames - 1 : 0);
  seek(Math.min(index, made ? made.frames - 1 : 0));
  const flicker = made?.flicker;
  find(".clip-flicker").textContent = flicker
    ? page.t("clip.flicker", { before: page.number(flicker.before, 2), after: page.number(flicker.after, 2) })
    : "";
}

// The middle of a frame's time: rounding can then lead to no neighbour.
const moment = (made, at) => (made.times[at] + made.times[at + 1]) / 2;

function seek(at) {
  const made = counted();
  if (!made) return;
  index = Math.max(0, Math.min(at, made.frames - 1));
  for (const { video } of sides) {
    const target = moment(made, index);
    if (Number.isFinite(target) && Math.abs(video.currentTime - target) > 1e-4) video.currentTime = target;
  }
  showPlace();
}

function showPlace() {
  const made = counted();
  scrubber.value = String(index);
  place.textContent = made
    ? page.t("clip.place", { at: index + 1, frames: made.frames, time: page.number(made.times[index], 2) })
    : "";
  scrubber.setAttribute("aria-valuetext", place.textContent);
  play.textContent = page.t(following ? "clip.pause" : "clip.play");
}

function frameAt(made, time) {
  let at = 0;
  while (at + 1 < made.frames && made.times[at + 1] <= time + 1e-4) at += 1;
  return at;
}

// While it plays, the right one leads; the left one is set right where it strays by more than a frame.
function follow() {
  const made = counted();
  if (!following || !made) return;
  const [left, right] = sides.map(({ video }) => video);
  index = frameAt(made, right.currentTime);
  const frame = made.times[index + 1] - made.times[index];
  if (Math.abs(left.currentTime - right.currentTime) > frame && !left.seeking) left.currentTime = right.currentTime;
  showPlace();
  if (right.ended) pause();
  else requestAnimationFrame(follow);
}

async function start() {
  const made = counted();
  if (!made) return;
  if (index >= made.frames - 1) seek(0);
  following = true;
  try {
    await Promise.all(sides.map(({ video }) => video.play()));
    follow();
  } catch {
    pause(); // the browser would not, or it was paused meanwhile
  }
}

function pause() {
  const was = following;
  following = false;
  for (const { video } of sides) video.pause();
  if (was) seek(index);
  showPlace();
}

play.addEventListener("click", () => (following ? pause() : start()));
const step = (by) => {
  pause();
  seek(index + by);
};
find(".clip-back").addEventListener("click", () => step(-1));
find(".clip-forward").addEventListener("click", () => step(1));
scrubber.addEventListener("input", () => {
  const at = Number(scrubber.value);
  pause();
  seek(at);
});
for (const { what, video, frame } of sides) {
  what.addEventListener("change", load);
  video.addEventListener("loadedmetadata", () => seek(index));
  video.addEventListener("error", () => {
    if (video.getAttribute("src")) become({ phase: "failed", key: "clip.unplayable" });
  });
  frame.addEventListener("scroll", () => {
    for (const other of sides) {
      if (other.frame !== frame) other.frame.scrollTo(frame.scrollLeft, frame.scrollTop);
    }
  });
}

// At 100 % a pixel of the clip is a pixel of the screen: a scaled one shows other bands than it has.
function fit() {
  const exact = pixels.getAttribute("aria-pressed") === "true";
  for (const { video, still } of sides) {
    for (const [node, width] of [[video, video.videoWidth], [still, still.naturalWidth]]) {
      node.style.width = exact && width ? `${width / devicePixelRatio}px` : "";
    }
  }
  root.dataset.pixels = exact ? "exact" : "fitted";
}
pixels.addEventListener("click", () => {
  pixels.setAttribute("aria-pressed", String(pixels.getAttribute("aria-pressed") !== "true"));
  fit();
});
for (const { video, still } of sides) {
  video.addEventListener("loadedmetadata", fit);
  still.addEventListener("load", fit);
}

// Pictures of the run under way: the first frame at once.
function showStills([before, after]) {
  sides.forEach(({ still }, side) => {
    const source = [before, after][side];
    if (source) still.src = page.address(source);
    else still.removeAttribute("src");
  });
}

function become(next) {
  told = { clip: told.clip, runs: told.runs, ...next };
  if (next.still) showStills(next.still);
  if (running.includes(told.phase) || told.phase === "ready") {
    pause();
    for (const { video, still } of sides) [video.hidden, still.hidden] = [true, false];
  }
  render();
  if (next.runs) {
    if (next.made) [sides[0].what.value, sides[1].what.value] = ["", next.made];
    index = next.made ? 0 : index;
    load();
  }
}

async function bring(files) {
  if (running.includes(told.phase) || files.length === 0) return;
  const refuse = (key, places) => become({ phase: "failed", key, places });
  if (files.length > 1) return refuse("clip.one");
  if (files[0].size > limit) return refuse("error.upload_bytes", { megabytes: props.megabytes });
  become({ phase: "opening" });
  try {
    trigger("clip", { path: (await upload(files[0])).path });
  } catch {
    refuse("error.upload_lost");
  }
}

for (const button of element.querySelectorAll(".clip-choose")) button.addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  bring([...input.files]);
  input.value = "";
});
find(".clip-sample").addEventListener("click", () => {
  become({ phase: "opening" });
  trigger("sample", {});
});
// While this tab is open, what is dropped or pasted is meant for it, and not for the tab of photos.
const open = () => element.checkVisibility();
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
for (const kind of ["dragenter", "dragleave", "dragover", "drop"]) {
  window.addEventListener(
    kind,
    (event) => {
      if (!open() || !carriesFiles(event)) return;
      event.preventDefault();
      event.stopPropagation();
      root.dataset.drag = kind === "dragover" || kind === "dragenter" ? "yes" : "no";
      if (kind === "drop") bring([...event.dataTransfer.files]);
    },
    true,
  );
}
window.addEventListener(
  "paste",
  (event) => {
    if (!open() || event.clipboardData.files.length === 0) return;
    event.stopPropagation();
    bring([...event.clipboardData.files]);
  },
  true,
);

props.models.forEach((model, at) => {
  const label = document.createElement("label");
  const choice = Object.assign(document.createElement("input"), { type: "radio", name: "clip-model", value: model });
  choice.checked = at === 0;
  const words = document.createElement("span");
  words.dataset.model = model;
  label.append(choice, words);
  models.append(label);
});
find(".clip-start").disabled = props.models.length === 0;
find(".clip-start").addEventListener("click", () => {
  if (!told.clip || running.includes(told.phase)) return;
  run = `${Date.now()}-${Math.random()}`;
  become({ phase: "queued" });
  trigger("start", { run, model: models.querySelector("input:checked").value });
});
find(".clip-stop").addEventListener("click", () => {
  become({ phase: "stopping" });
  trigger("stop", {});
});

page.hear("clip-broken", () => become({ phase: "failed", key: "error.unexpected" }));
page.onLanguage(render);
const take = () => {
  const value = props.value;
  if (!value || (value.run && value.run !== run)) return;
  if (told.phase === "stopping" && running.includes(value.phase)) return;
  become(value);
};
watch("value", take);
take();
page.translate(element);
render();
