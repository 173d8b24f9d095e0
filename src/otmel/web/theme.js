// Runs before the page is drawn, so that a kept choice of light or dark does not flash.
(() => {
  const KEY = "otmel-theme";
  const CHOICES = ["auto", "light", "dark"];

  function kept() {
    try {
      const choice = localStorage.getItem(KEY);
      return CHOICES.includes(choice) ? choice : "auto";
    } catch {
      return "auto"; // storage may be forbidden: then the choice lasts as long as the page
    }
  }

  const system = matchMedia("(prefers-color-scheme: dark)");

  function apply(choice) {
    document.documentElement.dataset.theme = choice;
    document.documentElement.dataset.scheme = choice === "auto" ? (system.matches ? "dark" : "light") : choice;
    document.dispatchEvent(new Event("themechange"));
  }

  apply(kept());
  system.addEventListener("change", () => apply(document.documentElement.dataset.theme));

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      const choice = document.documentElement.dataset.theme;
      button.textContent = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" }[choice];
      button.setAttribute("aria-label", `Colours: ${choice}. Change`);
    };
    button.addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(document.documentElement.dataset.theme) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // as above
      }
      apply(next);
      label();
    });
    label();
  });
})();
