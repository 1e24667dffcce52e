// Says where things stand. The server sends a phase and its numbers; the words are chosen here, so a switch of language
// changes them at once, in the middle of a run too.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const [name, text, bar, runs, notices] = [".state-name", ".state-text", ".bar", ".runs", ".notices"].map(find);
let status = { phase: "empty" };

const headings = {
  opening: "state.opening",
  matching: "state.matching",
  ready: "state.ready",
  queued: "state.queued",
  loading: "state.loading",
  working: "state.working",
  done: "state.done",
  failed: "state.failed",
  cancelled: "state.cancelled",
};

// How far it is, from 0 to 1.
const ahead = () => (status.phase === "working" ? (status.looked ?? status.done / Math.max(1, status.total)) : 0);

function sentence() {
  if (status.phase === "queued") {
    return status.before ? page.t("state.before", { before: page.number(status.before) }) : "";
  }
  if (status.phase === "loading" && status.bytes) {
    const [done, total] = [status.bytes.done, status.bytes.total].map((size) => page.number((size ?? 0) / 2 ** 20, 1));
    return status.bytes.total ? page.t("state.fetching", { done, total }) : page.t("state.fetching.unknown", { done });
  }
  if (status.phase === "working") {
    if (status.looked) return page.t("state.looked", { percent: page.number(Math.round(100 * status.looked)) });
    const { done, total, rate, left } = status;
    return page.t("state.progress", { done, total, rate: page.number(rate, 2), left: page.number(Math.ceil(left)) });
  }
  if (status.phase === "failed") return status.key ? page.t(status.key, status.places) : status.error[page.language];
  if (status.phase === "cancelled") return page.t("state.cancelled.hint");
  if (status.phase !== "done") return "";
  const failed = status.runs.filter((run) => run.problem).length;
  const partly = failed ? page.t("state.partly", { failed: page.number(failed), total: page.number(status.runs.length) }) : "";
  return [partly, status.encoding ? page.t("state.encoding") : ""].filter(Boolean).join(" ");
}

const origin = (run) => (run.origin ? page.t(`run.origin.${run.origin}`) : "");

function facts(run) {
  const parts = [
    page.t("run.seconds", { seconds: page.number(run.seconds, 1) }),
    run.device,
    page.t("run.tiles", { tiles: page.number(run.tiles) }),
    run.dtype,
    origin(run),
  ];
  return parts.filter(Boolean).join(" · ");
}

// How a result came about, and its file.
function row(run) {
  const item = document.createElement("li");
  const name = document.createElement("strong");
  const line = document.createElement("span");
  name.textContent = run.model === run.family ? run.family.toUpperCase() : `${run.family.toUpperCase()} ${run.model}`;
  line.textContent = run.problem ? run.problem[page.language] : facts(run);
  if (run.problem) item.className = "problem";
  item.append(name, line);
  if (run.file) {
    const link = document.createElement("a");
    Object.assign(link, { href: page.address(run.file.address), download: run.file.name, className: "download" });
    link.textContent = page.t("run.download");
    link.setAttribute("aria-label", page.t("pane.take.label", { name: run.file.name }));
    const file = document.createElement("small");
    file.textContent = run.file.name;
    item.append(link, file);
  }
  return item;
}

function note(texts) {
  const item = document.createElement("li");
  item.textContent = texts[page.language];
  return item;
}

function render() {
  page.phase(status.phase);
  const heading = status.looked ? "state.looking" : headings[status.phase];
  name.textContent = heading ? page.t(heading) : "";
  text.textContent = sentence();
  const share = Math.round(100 * ahead());
  bar.setAttribute("aria-valuenow", String(share));
  bar.firstElementChild.style.width = `${share}%`;
  runs.replaceChildren(...(status.phase === "done" ? status.runs.map(row) : []));
  notices.replaceChildren(...(status.notices ?? []).map(note));
}

function become(next) {
  status = next;
  render();
  if (status.phase === "failed" && element.offsetParent) element.scrollIntoView({ block: "nearest" });
}

page.onLanguage(render);
for (const phase of ["opening", "matching", "queued", "cancelled"]) page.hear(phase, () => become({ phase }));
page.hear("refuse", ({ key, places }) => become({ phase: "failed", key, places }));
page.hear("broken", (during) => {
  if (during.split(",").includes(status.phase)) become({ phase: "failed", key: "error.unexpected" });
});
const take = () => (props.value.of ?? page.run) === page.run && become(props.value);
watch("value", take);
take();
page.translate(element);
