// Below the pictures of an opened link: its files, and a place for its delete key.
const page = window.demoire;
const find = (name) => element.querySelector(name);
const form = find("form");

function row({ address, name }) {
  const item = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { href: page.address(address), download: name, textContent: name });
  item.append(link);
  return item;
}

function render() {
  const told = props.value ?? {};
  if (told.files) find(".shared-files").replaceChildren(...told.files.map(row));
  find(".share-problem").textContent = told.error?.[page.language] ?? "";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  trigger("revoke", { id: page.linkAsk("r"), key: find(".shared-key").value });
});
page.onLanguage(render);
watch("value", render);
page.translate(element);
render();
