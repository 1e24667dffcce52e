// What can be taken home of several results at once.
const page = window.demoire;
const place = element.querySelector(".parcels");

function link(file, key) {
  const anchor = document.createElement("a");
  Object.assign(anchor, { href: page.address(file.address), download: file.name, className: "plain" });
  anchor.dataset.parcel = key.split(".").at(-1);
  anchor.textContent = page.t(key);
  return anchor;
}

function show() {
  const { archive, sheets } = props.value;
  const kinds = sheets?.[page.language] ?? {};
  const links = Object.entries(kinds).map(([kind, file]) => link(file, `parcel.sheet.${kind}`));
  place.replaceChildren(...links, ...(archive ? [link(archive, "parcel.archive")] : []));
}

page.onLanguage(show);
watch("value", show);
show();
