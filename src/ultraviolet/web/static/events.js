// The list of events: holds live updates while someone reads, selects rows, and opens events in a drawer.
"use strict";

const events = document.getElementById("events");
const drawer = document.getElementById("drawer");
const content = document.getElementById("drawer-content");

// Live updates. New rows wait behind a button while updates are paused, while the list is scrolled, and
// while it has the pointer or the focus. Rows that are already shown are updated in place.
const pause = document.querySelector("[data-pause]");
const fresh = document.querySelector("[data-new]");
let releasing = false;

function held() {
  if (!events?.querySelector("tbody tr")) return false;
  return pause.getAttribute("aria-pressed") === "true" || events.getBoundingClientRect().top < 0 || events.matches(":hover, :focus-within");
}

function showWaiting(count, more) {
  fresh.hidden = count === 0;
  fresh.textContent = `${count}${more ? "+" : ""} new event${count === 1 ? "" : "s"}`;
}

function updateShown(response) {
  const incoming = new DOMParser().parseFromString(response, "text/html").querySelectorAll("#events tbody tr");
  let count = 0;
  for (const row of incoming) {
    const shown = document.getElementById(row.id);
    if (shown) Idiomorph.morph(shown, row);
    else if (Number(row.dataset.event) > newest()) count += 1;
  }
  htmx.process(events);
  showWaiting(count, count === incoming.length);
}

function newest() {
  return Math.max(0, ...[...events.querySelectorAll("tr[data-event]")].map((row) => Number(row.dataset.event)));
}

function release() {
  releasing = true;
  htmx.trigger(events, "refresh");
}

if (pause) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume updates" : "Pause updates";
    if (!paused) release();
  });
  fresh.addEventListener("click", () => {
    release();
    window.scrollTo({ top: 0 });
    pause.focus({ preventScroll: true });
  });
  events.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status !== 200) return;
    if (held() && !releasing) {
      event.detail.shouldSwap = false;
      updateShown(event.detail.serverResponse);
    } else {
      showWaiting(0, false);
    }
    releasing = false;
  });
  const continueIfFree = () => setTimeout(() => { if (!fresh.hidden && !held()) release(); });
  events.addEventListener("mouseleave", continueIfFree);
  events.addEventListener("focusout", continueIfFree);
  window.addEventListener("scroll", continueIfFree, { passive: true });
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
