// Texts in the visitor's language, for every component of the page. Defined once; TEXTS is filled in by the server.
window.demoire ??= (() => {
  const texts = __TEXTS__;
  const languages = __LANGUAGES__;
  const storage = "demoire-language";
  const listeners = new Set();
  const values = new WeakMap();
  let language = initial();

  function stored() {
    try {
      return localStorage.getItem(storage);
    } catch {
      return null; // storage is blocked
    }
  }

  function initial() {
    if (languages.includes(stored())) return stored();
    for (const tag of navigator.languages) {
      const match = languages.find((known) => known.split("-")[0] === tag.toLowerCase().split("-")[0]);
      if (match) return match;
    }
    return languages[0];
  }

  const fill = (template, places) => template.replace(/\{(\w+)\}/g, (_, name) => places[name] ?? "");
  const t = (key, places = {}) => fill(texts[key][language], places);
  const number = (value, digits = 0) =>
    new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

  // What the detector says of a photo.
  function moire({ level, area }, short = false) {
    const form = short ? "short." : "";
    if (level === "none") return t(`moire.${form}none`);
    const percent = area < 0.005 ? "< 1" : number(100 * area);
    return t(`moire.${form}found`, { level: t(`moire.level.${level}`), percent });
  }

  // data-text fills an element, data-label its accessible name.
  function translate(root) {
    for (const node of root.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text, values.get(node));
    for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  }

  function show(node, key, places = {}) {
    node.dataset.text = key;
    values.set(node, places);
    node.textContent = t(key, places);
  }

  function apply() {
    document.documentElement.lang = language;
    document.title = t("page.title");
    translate(document);
    for (const listener of listeners) listener(language);
  }

  function setLanguage(next) {
    language = next;
    try {
      localStorage.setItem(storage, next);
    } catch {
      // storage is blocked: the choice holds until the page is left
    }
    apply();
  }

  // Gradio sets <html lang> and the title by the browser's language when it has loaded; the visitor's choice comes first.
  new MutationObserver(() => {
    if (document.documentElement.lang !== language) document.documentElement.lang = language;
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });

  // The run that this page waits for, by a name that it chose itself; what others still send is not shown.
  let run = null;
  let wish = {};
  const seen = {};
  const tell = (name, detail) => window.dispatchEvent(new CustomEvent(`demoire:${name}`, { detail }));
  function begin(every) {
    run = `${Date.now()}-${Math.random()}`;
    const burst = document.documentElement.dataset.burst === "yes";
    const asked = { run, first: seen.restore?.() ?? null, every, burst, ...wish };
    wish = {};
    tell("queued");
    return JSON.stringify(asked);
  }
  function end() {
    const ended = run;
    run = null;
    tell("cancelled");
    return ended ?? "";
  }

  // A run of another kind than the button's own: of a part of the photo, or by one model. None while one is under way.
  const busy = ["opening", "matching", "queued", "loading", "working"];
  function request(wanted) {
    const button = document.querySelector("#restore");
    if (button.disabled || busy.includes(document.documentElement.dataset.phase)) return;
    wish = wanted; // until the click has found its way to begin()
    button.click();
  }

  // Events that run side by side answer in any order: a value that is older than the last one is not taken. The server
  // stamps a value before it looks at what it describes.
  function newest(take) {
    let last = 0;
    return (value) => {
      const stamp = value?.stamp ?? last;
      if (stamp < last) return;
      last = stamp;
      take(value);
    };
  }

  return {
    begin,
    end,
    request,
    newest,
    // By the name of a viewer: how it is looked at, and which part of the picture it shows.
    views: {},
    seen,
    get run() {
      return run;
    },
    t,
    number,
    moire,
    show,
    translate,
    apply,
    setLanguage,
    get language() {
      return language;
    },
    onLanguage: (listener) => listeners.add(listener),
    // A message from one component to the others; the server speaks to each by its value.
    tell,
    hear: (name, listener) => window.addEventListener(`demoire:${name}`, (event) => listener(event.detail)),
    phase: (name) => (document.documentElement.dataset.phase = name),
    address: (path) => new URL(path, document.baseURI).href,
  };
})();
