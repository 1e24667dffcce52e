// The viewer's modules lie in assets/viewer.
const page = window.demoire;
import(page.address("scripts/viewer.js")).then(({ mount }) => mount(element, { page, props, watch }));
