// The theme, stored in the browser and set before the page is drawn; the navigation; the Escape key.
"use strict";

const stored = () => localStorage.getItem("theme") ?? "system";

function applyTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  // the query runner has a setting of its own
  if (theme === "system") localStorage.removeItem("graphiql:theme");
  else localStorage.setItem("graphiql:theme", theme);
  for (const button of document.querySelectorAll("[data-theme]:is(button)")) {
    button.setAttribute("aria-pressed", String(button.dataset.theme === theme));
  }
}

applyTheme(stored());
document.addEventListener("DOMContentLoaded", () => applyTheme(stored()));
// On a phone, a button shows and hides the navigation; without scripts, the navigation is always shown.
document.documentElement.dataset.menu = "closed";
document.addEventListener("click", (event) => {
  const menu = event.target.closest("button.menu");
  if (!menu) return;
  const opens = menu.getAttribute("aria-expanded") === "false";
  menu.setAttribute("aria-expanded", String(opens));
  document.documentElement.dataset.menu = opens ? "open" : "closed";
});
// Times are shown in UTC; the tooltip is the viewer's zone.
document.addEventListener("DOMContentLoaded", () => {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  }
});
// A reload of a page with a new secret must not create another one.
document.addEventListener("DOMContentLoaded", () => {
  const once = document.querySelector("[data-once]");
  if (once) history.replaceState(null, "", once.dataset.once);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-theme]");
  if (!button) return;
  localStorage.setItem("theme", button.dataset.theme);
  applyTheme(button.dataset.theme);
  if (document.body.classList.contains("runner")) {
    for (const name of ["light", "dark"]) document.body.classList.toggle(`graphiql-${name}`, button.dataset.theme === name);
  }
});

// Escape cancels a form.
document.addEventListener("keydown", (event) => {
  const cancel = event.key === "Escape" && event.target.closest?.("form")?.querySelector("[data-cancel]");
  if (cancel) cancel.click();
});
