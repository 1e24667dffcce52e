const page = window.demoire;
const buttons = [...element.querySelectorAll("[data-language]")];
const mark = (language) => {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.language === language));
};
page.onLanguage(mark);
for (const button of buttons) {
  button.addEventListener("click", () => {
    page.setLanguage(button.dataset.language);
    trigger("language", page.language);
  });
}
page.phase("empty");
page.apply();
