// Where the simulator's pictures will be: until then the clean picture, at its own pixels, and what will happen to it.
const page = window.demoire;
const picture = element.querySelector("img");
const frame = element.querySelector(".easel-frame");

// So many screen pixels for each of the picture's that none is smoothed.
picture.addEventListener("load", () => {
  const times = Math.max(1, Math.floor(devicePixelRatio));
  picture.style.width = `${(picture.naturalWidth * times) / devicePixelRatio}px`;
  frame.hidden = false;
});
picture.addEventListener("error", () => (frame.hidden = true)); // a kind that browsers cannot show
page.hear("scene", (address) => {
  if (picture.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
  picture.src = address;
});
picture.src = page.address("examples/scene");
page.translate(element);
