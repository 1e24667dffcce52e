// Says where things stand. The server sends a phase and its numbers; the words are chosen here, so a switch of language
// changes them at once, in the middle of a run too.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const [name, text, bar, run, notices] = [".state-name", ".state-text", ".bar", ".run", ".notices"].map(find);
let status = { phase: "empty" };

const headings = {
  opening: "state.opening",
  ready: "state.ready",
  queued: "state.queued",
  loading: "state.loading",
  working: "state.working",
  done: "state.done",
  failed: "state.failed",
  cancelled: "state.cancelled",
};

function sentence() {
  if (status.phase === "working") {
    const { done, total, rate, left } = status;
    return page.t("state.progress", { done, total, rate: page.number(rate, 2), left: page.number(Math.ceil(left)) });
  }
  if (status.phase === "failed") return status.key ? page.t(status.key, status.places) : status.error[page.language];
  if (status.phase === "cancelled") return page.t("state.cancelled.hint");
  if (status.phase === "done" && status.encoding) return page.t("state.encoding");
  return "";
}

function facts() {
  if (status.phase !== "done") return [];
  const { seconds, device, tiles, dtype, model, origin, file } = status.run;
  const place = origin === "bundled" ? page.t("run.origin.bundled") : origin;
  return [
    ["run.time", page.t("run.seconds", { seconds: page.number(seconds, 1) })],
    ["run.device", device],
    ["run.tiles", page.number(tiles)],
    ["run.dtype", dtype],
    ["run.model", model],
    ["run.origin", place],
    ...(file ? [["run.file", file]] : []),
  ];
}

function fact([key, value]) {
  const pair = document.createElement("div");
  const term = document.createElement("dt");
  const detail = document.createElement("dd");
  pair.className = key === "run.file" ? "wide" : "";
  term.textContent = page.t(key);
  detail.textContent = value;
  pair.append(term, detail);
  return pair;
}

function note(texts) {
  const item = document.createElement("li");
  item.textContent = texts[page.language];
  return item;
}

function render() {
  page.phase(status.phase);
  name.textContent = headings[status.phase] ? page.t(headings[status.phase]) : "";
  text.textContent = sentence();
  const share = status.phase === "working" ? Math.round((100 * status.done) / status.total) : 0;
  bar.setAttribute("aria-valuenow", String(share));
  bar.firstElementChild.style.width = `${share}%`;
  run.replaceChildren(...facts().map(fact));
  notices.replaceChildren(...(status.notices ?? []).map(note));
}

function become(next) {
  status = next;
  render();
}

page.onLanguage(render);
for (const phase of ["opening", "queued", "cancelled"]) page.hear(phase, () => become({ phase }));
page.hear("refuse", ({ key, places }) => become({ phase: "failed", key, places }));
page.hear("broken", (during) => {
  if (during.split(",").includes(status.phase)) become({ phase: "failed", key: "error.unexpected" });
});
const take = () => (props.value.of ?? page.run) === page.run && become(props.value);
watch("value", take);
take();
page.translate(element);
