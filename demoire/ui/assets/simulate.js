// The clean picture of the simulator, and how far its work is. The server sends a phase; the words are chosen here.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const [input, state, name, link] = [".scene-input", ".scene-state", ".scene-name", ".scene-link"].map(find);
const limit = props.megabytes * 2 ** 20;
let told = { phase: "" };
let brought = null;

function sentence() {
  if (told.phase === "failed") return told.key ? page.t(told.key, told.places) : told.error[page.language];
  return told.phase ? page.t(`simulate.state.${told.phase}`) : "";
}

function render() {
  element.dataset.phase = told.phase;
  state.textContent = sentence();
  name.textContent = page.t("simulate.picture", { name: told.name ?? page.t("simulate.example") });
  link.hidden = !told.code;
  if (told.code) link.href = page.address(`?simulate=${told.code}`);
}

function become(next) {
  told = { name: told.name, code: told.code, ...next };
  render();
}

async function bring(file) {
  if (!file) return;
  if (file.size > limit) {
    return become({ phase: "failed", key: "error.upload_bytes", places: { megabytes: props.megabytes } });
  }
  become({ phase: "opening" });
  brought = file;
  try {
    trigger("picture", { path: (await upload(file)).path });
  } catch {
    become({ phase: "failed", key: "error.upload_lost" });
  }
}

find(".choose").addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  bring(input.files[0]);
  input.value = "";
});
page.hear("simulate", (phase) => become({ phase }));
page.hear("simulate-broken", () => become({ phase: "failed", key: "error.unexpected" }));
page.onLanguage(render);
watch("value", () => {
  if (!props.value) return;
  if (props.value.phase === "" && brought) page.tell("scene", URL.createObjectURL(brought));
  become(props.value);
});
page.translate(element);
render();
