// The theme: the switch of any page changes all open pages of this browser without reloading them.
"use strict";

const themes = new BroadcastChannel("theme");
themes.addEventListener("message", (event) => showTheme(event.data));

function showTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-switch] button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  document.dispatchEvent(new Event("themechange"));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-theme-switch]")) return;
  event.preventDefault();
  const theme = event.submitter.value;
  showTheme(theme);
  themes.postMessage(theme);
  fetch(form.action, { method: "POST", body: new URLSearchParams([...new FormData(form), ["theme", theme]]), redirect: "manual" });
});
