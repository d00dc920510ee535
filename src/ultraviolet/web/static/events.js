// The list of events: pauses live updates, selects rows, and opens events in a drawer.
"use strict";

const events = document.getElementById("events");
const drawer = document.getElementById("drawer");
const content = document.getElementById("drawer-content");

// New rows also wait while updates are paused.
const pause = document.querySelector("[data-pause]");

function describeNew(incoming) {
  const newest = Math.max(0, ...[...events.querySelectorAll("tr[data-event]")].map((row) => Number(row.dataset.event)));
  const count = incoming.filter((row) => Number(row.dataset.event) > newest).length;
  return count ? `${count}${count === incoming.length ? "+" : ""} new event${count === 1 ? "" : "s"}` : "";
}

if (pause) {
  const release = holdUpdates(events, {
    button: document.querySelector("[data-new]"),
    describe: describeNew,
    isPaused: () => pause.getAttribute("aria-pressed") === "true",
    focusAfter: pause,
  });
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume updates" : "Pause updates";
    if (!paused) release();
  });
}

// Replay needs a selection.
const replay = document.querySelector("[data-replay-button]");
function showSelection() {
  if (!replay) return;
  const count = document.querySelectorAll("[name=seq]:checked").length;
  replay.disabled = count === 0;
  replay.textContent = count ? `Replay selected (${count})` : "Replay selected";
  document.querySelector("[data-replay-hint]").hidden = count > 0;
}
document.addEventListener("change", () => setTimeout(showSelection));
document.addEventListener("htmx:afterSettle", showSelection);
window.addEventListener("pageshow", showSelection);
showSelection();

// The drawer shows the page of an event.
let opener = null;

async function openEvent(link) {
  opener = link;
  const address = link.getAttribute("href");
  drawer.querySelector("[data-full-page]").href = address;
  markShown();
  if (!drawer.matches(":popover-open")) {
    link.focus({ preventScroll: true }); // the focus returns to it
    drawer.showPopover();
    drawer.focus({ preventScroll: true });
  }
  await htmx.ajax("GET", address, { target: content, select: "#event-details", swap: "innerHTML" });
  drawer.setAttribute("aria-label", content.querySelector("h1")?.textContent ?? "Event");
  drawer.scrollTop = 0;
}

// A live update may have replaced the row.
function currentOpener() {
  return opener?.isConnected ? opener : document.querySelector(`[data-drawer-link][href="${opener?.getAttribute("href")}"]`);
}

function markShown() {
  for (const row of document.querySelectorAll("tr.shown")) row.classList.remove("shown");
  currentOpener()?.closest("tr").classList.add("shown");
}

drawer.addEventListener("toggle", (event) => {
  if (event.newState === "open") return;
  const focused = document.activeElement;
  const elsewhere = focused.matches("input, select, button, a:not([data-drawer-link])") && !drawer.contains(focused);
  if (!elsewhere) currentOpener()?.focus({ preventScroll: true });
  for (const row of document.querySelectorAll("tr.shown")) row.classList.remove("shown");
  content.replaceChildren();
});

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const row = event.target.closest("tr[data-event]");
  if (!row) return;
  const link = row.querySelector("[data-drawer-link]");
  const other = event.target.closest("a, button, input, label");
  if ((other && other !== link) || (!other && String(window.getSelection()))) return;
  event.preventDefault();
  openEvent(link);
});

// "j" and "k" go to the older and the newer event, in the list and in the drawer.
function step(by) {
  const links = [...document.querySelectorAll("[data-drawer-link]")];
  const open = drawer.matches(":popover-open");
  const index = links.indexOf(open ? currentOpener() : document.activeElement);
  const next = links[index < 0 ? 0 : index + by];
  if (!next) return;
  if (open) openEvent(next);
  else next.focus();
}
for (const button of drawer.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => step(Number(button.dataset.step)));
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), select, textarea, dialog[open]")) return;
  if (event.key === "j") step(1);
  if (event.key === "k") step(-1);
});
