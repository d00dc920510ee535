// The little that the pages do themselves: copy a text, keep relative times true, ask before danger, show the live light.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const text = source.value ?? source.textContent;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
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

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("change", (event) => {
  const select = event.target.closest("select[data-fills]");
  const chosen = select?.selectedOptions[0];
  if (!chosen) return;
  for (const name of select.dataset.fills.split(" ")) {
    const value = chosen.dataset[name];
    if (value !== undefined) select.form.elements[name].value = value;
  }
});

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });

function age(element) {
  const seconds = (Date.parse(element.dateTime) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  if (Math.abs(seconds) < 1) return "just now";
  return relative.format(Math.trunc(seconds / size), unit);
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time[data-age]")) element.textContent = age(element);
}

setInterval(refreshTimes, 1000);
document.addEventListener("htmx:afterSettle", refreshTimes);
refreshTimes();

function light(on) {
  const pulse = document.querySelector(".pulse");
  if (!pulse) return;
  pulse.classList.toggle("on", on);
  pulse.title = on ? "Live: this page follows the hub" : "Not connected; trying again";
}
document.addEventListener("htmx:sseOpen", () => light(true));
document.addEventListener("htmx:sseError", () => light(false));
