// What was opened by a link: the viewer below shows it; here stands what it is, or that it is no more.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const query = new URLSearchParams(location.search);
const { dataset } = document.documentElement;
let told = {};

const date = (seconds) => new Intl.DateTimeFormat(page.language, { dateStyle: "long" }).format(seconds * 1000);

function render() {
  dataset.share = told.phase ?? (query.has("r") && !query.has("with") ? "opening" : "none");
  find(".shared-gone h2").textContent = told.error?.[page.language] ?? "";
  for (const start of element.querySelectorAll(".shared-start")) start.href = page.address("./");
  if (told.phase === "set") page.show(find(".shared-set"), "shared.set", { models: told.models.join(", ") });
  if (told.phase !== "open") return;
  find(".shared-title").textContent = told.title;
  page.show(find(".shared-dates"), "shared.dates", { created: date(told.created), expires: date(told.expires) });
  find(".shared-with").href = page.address(`./?with=${encodeURIComponent(told.id)}`);
}

page.linkAsk = (name) => query.get(name);
page.hear("loaded", () => {
  if (query.has("r") || query.has("with")) trigger("open", { id: query.get("r"), settings: query.get("with") });
});
page.onLanguage(render);
watch("value", () => {
  told = props.value ?? {};
  render();
});
page.hear("share-broken", () => {
  if (dataset.share !== "opening") return;
  told = { phase: "gone", error: { [page.language]: page.t("share.broken") } };
  render();
});
page.translate(element);
render();
