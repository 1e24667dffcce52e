// Brings a photo in: dropped anywhere on the page, pasted, chosen, or an example. The bytes go to the server untouched.
const page = window.demoire;
const input = element.querySelector(".photo-input");
const list = element.querySelector(".examples ul");
const release = element.querySelector(".release");
const limit = props.megabytes * 2 ** 20;

page.show(element.querySelector(".kinds"), "intake.kinds", { megapixels: props.megapixels, megabytes: props.megabytes });

async function bring(files) {
  if (files.length === 0) return;
  if (files.length > 1) return page.tell("refuse", { key: "error.too_many_files" });
  const file = files[0];
  if (file.size > limit) return page.tell("refuse", { key: "error.upload_bytes", places: { megabytes: props.megabytes } });
  const run = page.end();
  page.tell("opening");
  try {
    const { path } = await upload(file);
    trigger("photo", { path, run });
  } catch {
    page.tell("refuse", { key: "error.upload_lost" });
  }
}

for (const button of element.querySelectorAll(".choose")) button.addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  bring([...input.files]);
  input.value = "";
});
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

for (const name of props.examples) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const picture = document.createElement("img");
  const caption = document.createElement("span");
  button.type = "button";
  button.dataset.example = name;
  picture.src = page.address(`examples/${name}`);
  picture.alt = "";
  page.show(caption, `example.${name}`);
  button.append(picture, caption);
  button.addEventListener("click", () => {
    const run = page.end();
    page.tell("opening");
    trigger("example", { name, run });
  });
  item.append(button);
  list.append(item);
}

const name = element.querySelector(".photo-name");
page.hear("photo", (photo) => {
  name.textContent = name.title = photo.name;
  page.show(element.querySelector(".photo-facts"), "intake.photo", photo);
});
page.translate(element);
