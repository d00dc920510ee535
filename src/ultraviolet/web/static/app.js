// Client-side behavior: copy buttons, relative times, theme switch, connection status.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  let copied = true;
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
  } catch {
    copied = copyBySelection(source);
  }
  const label = button.dataset.label ?? (button.dataset.label = button.textContent);
  button.textContent = copied ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = label; }, 1800);
});

// Plain HTTP on a factory network has no clipboard API.
function copyBySelection(source) {
  const range = document.createRange();
  range.selectNodeContents(source);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return document.execCommand("copy");
}

// Switch the theme without reloading the page.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-theme-switch]")) return;
  event.preventDefault();
  const theme = event.submitter.value;
  document.documentElement.dataset.theme = theme;
  fetch(form.action, { method: "POST", body: new URLSearchParams([...new FormData(form), ["theme", theme]]), redirect: "manual" });
  for (const button of form.querySelectorAll("button")) button.hidden = button === event.submitter;
  form.querySelector("button:not([hidden])").focus();
});

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.matches("[data-all]")) {
    for (const box of document.querySelectorAll(field.dataset.all)) box.checked = field.checked;
  }
  if (field.matches("[data-submits]")) field.form.requestSubmit();
  const chosen = field.matches("select[data-fills]") ? field.selectedOptions[0] : null;
  for (const name of chosen ? field.dataset.fills.split(" ") : []) {
    if (chosen.dataset[name] !== undefined) field.form.elements[name].value = chosen.dataset[name];
  }
});

// Omit empty parameters from shareable addresses.
document.addEventListener("formdata", (event) => {
  if (event.target.method !== "get") return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

// Show the time while the history slider moves; load the version when it stops.
let resting;
document.addEventListener("input", (event) => {
  const slider = event.target;
  if (!slider.matches("[data-life]")) return;
  const now = slider.value === slider.max;
  const time = new Date(slider.value * 1000).toISOString().slice(0, 19);
  const said = now ? "now" : `${time.replace("T", " ")} UTC`;
  slider.setAttribute("aria-valuetext", said);
  slider.form.querySelector("output").value = said;
  slider.form.elements.at.value = now ? "" : time;
});
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-life]")) return;
  clearTimeout(resting);
  resting = setTimeout(() => {
    sessionStorage.setItem("focus", event.target.id);
    event.target.form.requestSubmit();
  }, 600);
});
document.getElementById(sessionStorage.getItem("focus"))?.focus();
sessionStorage.removeItem("focus");

// Unfold the target of a link.
function unfold() {
  const part = document.getElementById(location.hash.slice(1));
  if (part?.tagName === "DETAILS") part.open = true;
}
window.addEventListener("hashchange", unfold);
unfold();

// "/" focuses the search; "g" and a letter open a page of the navigation.
let going = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [contenteditable]")) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("search")?.focus();
  } else if (going) {
    document.querySelector(`.side nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
  going = event.key === "g";
});

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });

function age(element) {
  const seconds = (Date.parse(element.dateTime) - Date.now()) / 1000;
  if (Math.abs(seconds) < 1) return "just now";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit).replace(".", "");
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time[data-age]")) {
    const text = age(element);
    if (element.textContent !== text) element.textContent = text;
  }
}

setInterval(refreshTimes, 1000);
document.addEventListener("htmx:afterSettle", refreshTimes);
refreshTimes();

// Keep open details, open dialogs and edited fields during live updates.
if (window.Idiomorph) {
  Object.assign(Idiomorph.defaults.callbacks, {
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
    beforeNodeMorphed: (old) => !(old.matches?.(":popover-open, input:checked, :focus:is(input, select, textarea)")),
    afterNodeAdded: (node) => { if (node.tagName === "TR") node.classList.add("arrived"); },
  });
}

const live = document.querySelector(".live");
function tell(state, text) {
  if (!live || live.dataset.state === state) return;
  live.dataset.state = state;
  live.textContent = text;
}
document.addEventListener("htmx:sseOpen", () => tell("on", "Live"));
document.addEventListener("htmx:sseError", () => {
  tell("off", `Disconnected since ${new Date().toISOString().slice(11, 19)} UTC. Reconnecting …`);
});

document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
