// Light or dark: the device decides until the reader chooses. Loaded in <head> without `defer`, so that
// the page is drawn in the right colours at once.
(() => {
  "use strict";

  const KEY = "theme";
  const root = document.documentElement;
  const device = window.matchMedia("(prefers-color-scheme: dark)");

  // Storage may be forbidden; then the device decides.
  const chosen = () => {
    try {
      const value = window.localStorage.getItem(KEY);
      return value === "light" || value === "dark" ? value : "auto";
    } catch {
      return "auto";
    }
  };

  const remember = (choice) => {
    try {
      window.localStorage.setItem(KEY, choice);
    } catch {
      // The choice then lasts for this page only.
    }
  };

  const apply = (choice) => {
    const deviceTheme = device.matches ? "dark" : "light";
    root.dataset.bsTheme = choice === "auto" ? deviceTheme : choice;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
  };

  root.classList.remove("no-js");
  apply(chosen());
  device.addEventListener("change", () => apply(chosen()));
  window.addEventListener("storage", () => apply(chosen()));
  document.addEventListener("DOMContentLoaded", () => apply(chosen()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (button) {
      remember(button.dataset.themeChoice);
      apply(button.dataset.themeChoice);
    }
  });
})();
