// Brings photos in: dropped anywhere on the page, pasted, chosen, taken, or an example. The bytes reach the server untouched.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const inputs = [find(".photo-input"), find(".camera-input")];
const release = find(".release");
const limit = props.megabytes * 2 ** 20;

page.show(find(".kinds"), "intake.kinds", { megapixels: props.megapixels, megabytes: props.megabytes });

async function bring(files) {
  if (files.length === 0) return;
  const { megabytes, most } = props;
  if (files.length > most) return page.tell("refuse", { key: "error.too_many_files", places: { most } });
  if (files.some((file) => file.size > limit)) return page.tell("refuse", { key: "error.upload_bytes", places: { megabytes } });
  const run = page.end();
  page.tell("opening");
  try {
    const paths = [];
    for (const file of files) paths.push((await upload(file)).path);
    trigger("photo", { paths, run });
  } catch {
    page.tell("refuse", { key: "error.upload_lost" });
  }
}

for (const button of element.querySelectorAll(".choose")) button.addEventListener("click", () => inputs[0].click());
find(".shoot").addEventListener("click", () => inputs[1].click());
for (const input of inputs) {
  input.addEventListener("change", () => {
    bring([...input.files]);
    input.value = "";
  });
}
document.addEventListener("paste", (event) => bring([...event.clipboardData.files]));

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
let depth = 0;
const over = (change) => {
  depth = change === 0 ? 0 : depth + change;
  release.hidden = depth <= 0;
};
document.addEventListener("dragenter", (event) => carriesFiles(event) && over(1));
document.addEventListener("dragleave", (event) => carriesFiles(event) && over(-1));
document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  over(0);
  bring([...event.dataTransfer.files]);
});

// A button with a picture and its name.
function pictureButton(source, act) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const picture = Object.assign(document.createElement("img"), { src: page.address(source), alt: "" });
  const caption = document.createElement("span");
  button.type = "button";
  button.append(picture, caption);
  button.addEventListener("click", act);
  item.append(button);
  return { item, button, caption };
}

for (const name of props.examples) {
  const { item, button, caption } = pictureButton(`examples/${name}`, () => {
    const run = page.end();
    page.tell("opening");
    trigger("example", { name, run });
  });
  button.dataset.example = name;
  page.show(caption, `example.${name}`);
  find(".examples ul").append(item);
}

// What the screen really showed, for the photo at hand.
const referenceInput = find(".reference-input");
find(".reference-add").addEventListener("click", () => referenceInput.click());
find(".reference-remove").addEventListener("click", () => trigger("reference", { path: null }));
referenceInput.addEventListener("change", async () => {
  const [file] = referenceInput.files;
  referenceInput.value = "";
  if (!file) return;
  if (file.size > limit) return page.tell("refuse", { key: "error.upload_bytes", places: { megabytes: props.megabytes } });
  page.tell("matching");
  try {
    const { path } = await upload(file);
    trigger("reference", { path });
  } catch {
    page.tell("refuse", { key: "error.upload_lost" });
  }
});

// Before and after of an example, at its own pixels, to be dragged at once.
const slider = find(".taste-slider");
const frame = find(".taste-frame");
for (const side of ["before", "after"]) {
  const picture = find(`.taste-${side}`);
  picture.addEventListener("load", fitTaste);
  picture.src = page.address(`examples/${side}`);
}
window.addEventListener("resize", fitTaste);

// So many screen pixels for each of the picture's that the frame is filled, the same number for all.
function fitTaste() {
  for (const picture of [find(".taste-before"), find(".taste-after")]) {
    const needed = Math.max(frame.clientWidth / picture.naturalWidth, frame.clientHeight / picture.naturalHeight);
    const times = Math.max(1, Math.ceil(needed * devicePixelRatio - 1e-6));
    picture.style.width = `${(picture.naturalWidth * times) / devicePixelRatio}px`;
  }
}

slider.addEventListener("input", () => frame.style.setProperty("--split", `${slider.value}%`));

// The photos at hand; with several, a list to choose from.
function show({ photos, at, reference }) {
  const chosen = photos.find((photo) => photo.key === at);
  const { documentElement } = document;
  documentElement.dataset.photo = chosen ? "yes" : "no";
  documentElement.dataset.photos = photos.length > 1 ? "many" : "one";
  if (!chosen) return;
  find(".photo-name").textContent = find(".photo-name").title = chosen.name;
  page.show(find(".photo-facts"), "intake.photo", chosen);
  showMoire(chosen);
  page.show(find(".reference-line"), "reference.at_hand", { name: reference });
  for (const name of [".reference-line", ".reference-remove"]) find(name).hidden = !reference;
  for (const name of [".reference-add", ".reference-why"]) find(name).hidden = Boolean(reference);
  showBurst(photos, chosen);
  const list = find(".photos");
  list.hidden = photos.length < 2;
  list.replaceChildren(...(list.hidden ? [] : photos.map((photo) => listed(photo, photo === chosen))));
}

// Photos of one size may be a burst, for models that remember; the style sheet shows the box while one is ticked.
const burst = find(".burst");
const burstBox = find(".burst input");
function showBurst(photos, chosen) {
  const count = photos.filter(({ height, width }) => height === chosen.height && width === chosen.width).length;
  burst.hidden = !props.bursts || count < 2;
  page.show(find(".burst span"), "burst.offer", { count });
  tellBurst();
}
const tellBurst = () => (document.documentElement.dataset.burst = !burst.hidden && burstBox.checked ? "yes" : "no");
burstBox.addEventListener("change", tellBurst);

// What the detector says of the photo at hand.
const saying = ({ looked, moire }) => (moire ? page.moire(moire) : looked === "no" ? "" : page.t(`moire.${looked}`));
function showMoire(photo) {
  const line = find(".moire-line");
  line.textContent = saying(photo);
  line.hidden = !line.textContent;
  line.dataset.looked = photo.looked;
}

function listed(photo, chosen) {
  const { item, button, caption } = pictureButton(photo.preview, () => trigger("choose", { key: photo.key }));
  caption.textContent = photo.name;
  button.title = [photo.name, saying(photo)].filter(Boolean).join(" · ");
  if (photo.moire) button.append(Object.assign(document.createElement("small"), { textContent: page.moire(photo.moire, true) }));
  button.setAttribute("aria-pressed", String(chosen));
  return item;
}

const takeNewest = page.newest(show);
const take = () => takeNewest(props.value);
watch("value", take);
page.onLanguage(take);
take();
page.translate(element);
