// The order of the panes: a key takes another one's place; chips are dragged, or moved by Shift and an arrow.

const SLIP = 6; // CSS pixels that a click may move

// `keys` with `key` where `target` was.
export function placed(keys, key, target) {
  const place = keys.indexOf(target);
  const rest = keys.filter((other) => other !== key);
  rest.splice(place, 0, key);
  return rest;
}

// `order` once `panes` follow `former` ones: what replaces a result of the same setting takes its place. `alike` tells.
export function inherited(order, former, panes, alike) {
  return former.reduce((keys, old) => {
    if (!keys.includes(old.key) || panes.some((pane) => pane.key === old.key)) return keys;
    const heir = panes.findLast((pane) => alike(pane, old));
    return heir ? placed(keys, heir.key, old.key).filter((key) => key !== old.key) : keys;
  }, order);
}

// `acts`: step(key, direction), reorder(key, target).
export function listenToChips(row, acts) {
  let held = null;

  const drag = ({ clientX, clientY, pointerId }) => {
    if (!held.moving && Math.hypot(clientX - held.x, clientY - held.y) < SLIP) return;
    if (!held.moving) row.setPointerCapture(pointerId); // from now on it is no click
    held.moving = true;
    row.dataset.dragged = held.key;
    const target = document.elementFromPoint(clientX, clientY)?.closest("[data-pane]");
    if (!target || !row.contains(target) || target.dataset.pane === held.key) return;
    const box = target.getBoundingClientRect();
    const after = row.querySelector(`[data-pane="${CSS.escape(held.key)}"]`).compareDocumentPosition(target);
    const forward = after & Node.DOCUMENT_POSITION_FOLLOWING;
    const past = clientX > box.left + box.width / 2;
    if (forward ? past : !past) acts.reorder(held.key, target.dataset.pane);
  };

  row.addEventListener("pointerdown", (event) => {
    const key = event.target.closest("[data-pane]")?.dataset.pane;
    if (event.button === 0 && key) held = { key, x: event.clientX, y: event.clientY, moving: false };
  });
  row.addEventListener("pointermove", (event) => held && drag(event));
  const release = () => {
    held = null;
    delete row.dataset.dragged;
  };
  for (const end of ["pointerup", "pointercancel"]) row.addEventListener(end, release);
  row.addEventListener("keydown", (event) => {
    const direction = event.shiftKey && { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const key = event.target.closest("[data-pane]")?.dataset.pane;
    if (!direction || !key) return;
    event.preventDefault();
    event.stopPropagation();
    acts.step(key, direction);
  });
}
