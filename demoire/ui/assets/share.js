// Makes a link of what the viewer shows. The delete key is here only, and gone when the dialog is closed.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const dialog = find(".share");
let told = { phase: "ask" };

const date = (seconds) => new Intl.DateTimeFormat(page.language, { dateStyle: "long" }).format(seconds * 1000);
const link = (receipt) => (receipt.base ? `${receipt.base}/s/${receipt.id}` : page.address(`s/${receipt.id}`));

function render() {
  dialog.dataset.phase = told.phase;
  page.show(find(".share-days"), "share.days", { days: page.number(props.days, Number.isInteger(props.days) ? 0 : 2) });
  find(".share-working").textContent = told.phase === "working" ? page.t("share.working") : "";
  const problem = told.key ? page.t(told.key) : (told.error?.[page.language] ?? "");
  for (const place of element.querySelectorAll(".share-problem")) place.textContent = problem;
  const { receipt } = told;
  find(".share-link").value = find(".share-visit").href = receipt ? link(receipt) : "";
  find(".share-key").value = receipt?.key ?? "";
  if (receipt) page.show(find(".share-until"), "share.until", { date: date(receipt.expires) });
}

function become(next) {
  told = next;
  render();
}

// What the server is asked for when a link is to be made.
page.shareAsk = () => JSON.stringify({ original: find(".share-original").checked, view: page.views.restore?.() ?? null });

find(".share-open").addEventListener("click", () => {
  become({ phase: "ask" });
  dialog.showModal();
});
dialog.addEventListener("close", () => become({ phase: "ask" }));
find(".share-make").addEventListener("click", () => {
  become({ phase: "working" });
  trigger("make");
});
find(".share-revoke").addEventListener("click", () => {
  const { receipt } = told;
  become({ phase: "working", receipt });
  trigger("revoke", { id: receipt.id, key: receipt.key });
});

async function copy(field, button) {
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select(); // without https browsers keep the clipboard to themselves
    document.execCommand("copy");
  }
  page.show(button, "share.copied");
  setTimeout(() => page.show(button, "share.copy"), 2000);
}
for (const button of element.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(find(`.${button.dataset.copy}`), button));
}
for (const field of element.querySelectorAll(".share-field input")) field.addEventListener("focus", () => field.select());

page.hear("share-broken", () => {
  if (told.phase === "working") become({ ...told, phase: told.receipt ? "done" : "ask", key: "share.broken" });
});
page.onLanguage(render);
watch("value", () => {
  if (props.value && dialog.open) become({ receipt: told.receipt, ...props.value });
});

// There is something to share once a result is whole.
const open = find(".share-open");
const usable = () => (open.disabled = document.documentElement.dataset.phase !== "done");
new MutationObserver(usable).observe(document.documentElement, { attributes: true, attributeFilter: ["data-phase"] });
usable();
page.translate(element);
render();
