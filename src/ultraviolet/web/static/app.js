// Client-side behavior: copy buttons, times, theme, navigation, keyboard shortcuts, connection status.
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

// The page of a rejected form has the address of the form's action; a reload must not submit it again.
if (document.body.dataset.rejected !== undefined) {
  const page = document.querySelector("main form input[name=page], form input[name=page]");
  if (page) history.replaceState(null, "", document.body.dataset.root + page.value);
}

// A menu closes with Escape and with a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-closes][open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details[data-closes][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// The Tab key stays in a dialog that covers the page.
document.addEventListener("keydown", (event) => {
  const sheet = event.key === "Tab" && document.querySelector(".sheet:popover-open");
  if (!sheet) return;
  const parts = [...sheet.querySelectorAll("a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary")]
    .filter((part) => part.checkVisibility() && part.tabIndex >= 0);
  const [leaving, next] = event.shiftKey ? [parts[0], parts.at(-1)] : [parts.at(-1), parts[0]];
  if (sheet.contains(document.activeElement) && document.activeElement !== leaving) return;
  event.preventDefault();
  next?.focus();
});

// The menu of a narrow screen, and the collapsed side bar of a wide one.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-menu], [data-collapse], [data-shortcuts]");
  if (!button) return;
  if (button.matches("[data-shortcuts]")) document.getElementById("shortcuts").showModal();
  if (button.matches("[data-menu]")) {
    const open = document.body.classList.toggle("menu-open");
    button.setAttribute("aria-expanded", String(open));
  }
  if (button.matches("[data-collapse]")) collapse(!document.documentElement.classList.contains("collapsed"));
});

function collapse(collapsed) {
  document.documentElement.classList.toggle("collapsed", collapsed);
  localStorage.setItem("collapsed", collapsed ? "yes" : "");
  const label = collapsed ? "Expand the navigation" : "Collapse the navigation";
  const button = document.querySelector("[data-collapse]");
  button?.setAttribute("aria-label", label);
  button?.setAttribute("title", label);
}
if (localStorage.getItem("collapsed")) collapse(true);

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

// Times are sent in UTC. Omit empty parameters from shareable addresses.
document.addEventListener("formdata", (event) => {
  for (const field of event.target.querySelectorAll(TIME_FIELDS)) {
    if (field.name && field.dataset.utc !== undefined) event.formData.set(field.name, field.dataset.utc);
  }
  if (event.target.method !== "get") return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

// Show the time while the history slider moves; load the version when it stops.
let resting;
document.addEventListener("input", (event) => {
  const slider = event.target;
  if (!slider.matches("[data-life]")) return;
  const now = slider.value === slider.max;
  const date = new Date(slider.value * 1000);
  const said = now ? "now" : absolute(date, showsUtc());
  slider.setAttribute("aria-valuetext", said);
  slider.form.querySelector("output").value = said;
  const at = slider.form.elements.at;
  at.dataset.utc = now ? "" : date.toISOString().slice(0, 19);
  at.value = fieldText(at.dataset.utc);
});
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-life]")) return;
  clearTimeout(resting);
  resting = setTimeout(() => {
    sessionStorage.setItem("focus", event.target.id);
    event.target.form.requestSubmit();
  }, 600);
});
// Unfold the target of a link.
function unfold() {
  const part = document.getElementById(location.hash.slice(1));
  const drawer = part?.closest("[popover]");
  if (drawer && !drawer.matches(":popover-open")) drawer.showPopover();
  if (part?.tagName === "DETAILS") {
    part.open = true;
    part.scrollIntoView({ block: "nearest" });
  }
}
for (const drawer of document.querySelectorAll("[popover][data-open]")) drawer.showPopover();
window.addEventListener("hashchange", unfold);
unfold();
document.getElementById(sessionStorage.getItem("focus"))?.focus();
sessionStorage.removeItem("focus");

// "/" opens the search, "?" the list of shortcuts; "g" and a letter open a page of the navigation.
let going = false;
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.classList.contains("menu-open")) {
    const button = document.querySelector("[data-menu]");
    button.click();
    button.focus();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [contenteditable], dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    if (window.openPalette) openPalette();
    else document.getElementById("search")?.focus();
  } else if (event.key === "?") {
    document.getElementById("shortcuts")?.showModal();
  } else if (going) {
    document.querySelector(`.side nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
  going = event.key === "g";
});

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
const relativeWords = new Intl.RelativeTimeFormat("en", { numeric: "always" });

function age(element) {
  const seconds = (Date.parse(element.dateTime) - Date.now()) / 1000;
  if (Math.abs(seconds) < 1) return "just now";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  const number = Math.trunc(seconds / size);
  return element.dataset.age === "words" ? relativeWords.format(number, unit) : relative.format(number, unit).replace(".", "");
}

// Times are shown in the viewer's zone or in UTC; the other one is the tooltip.
const showsUtc = () => localStorage.getItem("zone") === "UTC";
const zoneFormat = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });
const pad = (number) => String(number).padStart(2, "0");

function zoneName(date) {
  return zoneFormat.formatToParts(date).find((part) => part.type === "timeZoneName").value;
}

function absolute(date, utc) {
  if (utc) return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  const zone = zoneName(date);
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())} ${zone}`;
}

// The fields for a time hold UTC in data-utc and show the chosen zone; the tooltip is the other one. An invalid time is
// in a field for text, which is sent as it is until it has a time of that zone.
const TIME_FIELDS = "input[type=datetime-local], input[data-time]";
const TIME_TEXT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/;

function shifted(date) {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000);
}

function fieldText(utcText) {
  if (!utcText || showsUtc()) return utcText;
  return shifted(new Date(`${utcText}Z`)).toISOString().slice(0, utcText.length);
}

// The time that a field contains, empty if it is empty; null if it is no time without a zone.
function fullTime(field) {
  if (field.type !== "text") return field.value;
  const text = field.value.trim().replace(" ", "T");
  // A day begins at its midnight; as an end, it ends at the next one.
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00`) : null;
  if (day && field.name === "until") day.setDate(day.getDate() + 1);
  const full = day && !isNaN(day) ? shifted(day).toISOString().slice(0, 16) : text;
  return !text || (TIME_TEXT.test(full) && !isNaN(new Date(full))) ? full : null;
}

function showOtherZone(field) {
  field.title = field.dataset.utc ? absolute(new Date(`${field.dataset.utc}Z`), !showsUtc()) : "";
}

function refreshFields() {
  for (const field of document.querySelectorAll(TIME_FIELDS)) {
    if (field.type !== "text") field.dataset.utc ??= field.defaultValue;
    if (field.dataset.utc !== undefined && field !== document.activeElement) field.value = fieldText(field.dataset.utc);
    showOtherZone(field);
  }
  for (const name of document.querySelectorAll("[data-zone-name]")) {
    name.textContent = showsUtc() ? "UTC" : zoneName(new Date());
  }
}
document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.matches(TIME_FIELDS)) return;
  const given = fullTime(field);
  if (given === null) delete field.dataset.utc;
  else field.dataset.utc = (showsUtc() || !given ? given : new Date(given).toISOString()).slice(0, given.length);
  showOtherZone(field);
});

// The axis, the table and the tooltip of a chart of times.
function refreshCharts() {
  for (const chart of document.querySelectorAll(".chart[data-times]")) {
    const points = JSON.parse(chart.dataset.points);
    const names = new Map();
    JSON.parse(chart.dataset.times).forEach((time, at) => {
      const text = (showsUtc() ? new Date(time) : shifted(new Date(time))).toISOString().slice(5, 16).replace("T", " ");
      const name = text.slice(-points[at][0].length);
      names.set(points[at][0], name);
      points[at][0] = name;
    });
    chart.dataset.points = JSON.stringify(points);
    for (const part of chart.parentElement.querySelectorAll(".x-axis text, .as-table tbody th")) {
      part.textContent = names.get(part.textContent.trim()) ?? part.textContent;
    }
  }
}

function refreshZone() {
  refreshFields();
  refreshCharts();
  refreshTimes();
}

function refreshTimes() {
  const utc = showsUtc();
  for (const element of document.querySelectorAll("time[data-age], time[data-clock]")) {
    const date = new Date(element.dateTime);
    const relative = element.matches("[data-age]");
    const text = relative ? age(element) : absolute(date, utc);
    const title = relative ? `${absolute(date, utc)}${utc ? "" : `, ${absolute(date, true)}`}` : absolute(date, !utc);
    if (element.textContent !== text) element.textContent = text;
    if (element.title !== title) element.title = title;
  }
}

function showZone() {
  const zone = localStorage.getItem("zone") ?? "";
  for (const button of document.querySelectorAll("[data-zone]")) button.setAttribute("aria-pressed", String(button.dataset.zone === zone));
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zone]");
  if (!button) return;
  localStorage.setItem("zone", button.dataset.zone);
  showZone();
  refreshZone();
});
showZone();

setInterval(refreshTimes, 1000);
document.addEventListener("htmx:afterSettle", refreshZone);
refreshZone();

// Keep open details, open dialogs and edited fields during live updates.
if (window.Idiomorph) {
  Object.assign(Idiomorph.defaults.callbacks, {
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS")
      && !(name === "hidden" && node.dataset.findable !== undefined),
    beforeNodeMorphed: (old) => !(old.matches?.(":popover-open, input:checked, :focus:is(input, select, textarea)")),
    afterNodeAdded: (node) => { if (node.tagName === "TR") node.classList.add("arrived"); },
  });
}

// A chart shows the values under the pointer; the same numbers are in its table. A live update keeps them.
const tooltip = Object.assign(document.createElement("div"), { className: "tooltip", hidden: true });
const crosshair = Object.assign(document.createElement("div"), { className: "crosshair", hidden: true });
document.body.append(crosshair, tooltip);
document.addEventListener("scroll", () => { tooltip.hidden = crosshair.hidden = true; }, { capture: true, passive: true });
document.addEventListener("pointermove", (event) => {
  const chart = event.target.closest?.(".chart");
  const plot = chart?.querySelector(".plot").getBoundingClientRect();
  const points = chart ? JSON.parse(chart.dataset.points) : [];
  const point = points[Math.floor(((event.clientX - plot?.left) / plot?.width) * points.length)];
  tooltip.hidden = crosshair.hidden = !point;
  if (!point) return;
  const keys = JSON.parse(chart.dataset.keys);
  const [place, ...values] = point;
  tooltip.textContent = [place, ...values.map((value, number) => `${keys[number]} ${value || "–"}`)].join(" · ");
  Object.assign(crosshair.style, { left: `${event.clientX}px`, top: `${plot.top}px`, height: `${plot.height}px` });
  const left = Math.min(event.clientX + 10, window.innerWidth - tooltip.offsetWidth - 8);
  Object.assign(tooltip.style, { left: `${Math.max(8, left)}px`, top: `${plot.top - 8}px` });
});

const live = document.querySelector(".live");
function showConnection(state, text) {
  if (!live || live.dataset.state === state) return;
  live.dataset.state = state;
  live.textContent = text;
  document.body.classList.toggle("disconnected", state === "off");
  document.getElementById("offline")?.remove();
  if (state !== "off") return;
  const note = document.createElement("p");
  note.id = "offline";
  note.className = "note bad offline";
  note.setAttribute("role", "alert");
  note.textContent = `${text} The values on this page may be out of date.`;
  document.getElementById("content").prepend(note);
}
document.addEventListener("live:connecting", () => showConnection("connecting", "Connecting …"));
document.addEventListener("htmx:sseOpen", () => showConnection("on", "Live"));
document.addEventListener("htmx:sseError", () => {
  showConnection("off", `Disconnected since ${absolute(new Date(), showsUtc()).slice(11)}. Reconnecting …`);
});

// Badges of the navigation: waiting events, running syncs, open findings.
async function refreshBadges() {
  const response = await fetch(`${document.body.dataset.root}/navigation/badges`).catch(() => null);
  const badges = response?.ok ? await response.json() : [];
  for (const link of document.querySelectorAll(".side nav a")) {
    const badge = badges.find((one) => document.body.dataset.root + one.address === link.getAttribute("href"));
    let count = link.querySelector(".count");
    if (!badge) {
      count?.remove();
      continue;
    }
    if (!count) {
      count = document.createElement("span");
      link.append(count);
    }
    count.className = `count ${badge.tone}`;
    count.textContent = badge.text;
    count.title = badge.label;
  }
}
const BADGE_INTERVAL_MS = 10_000;
if (document.querySelector(".side nav")) {
  refreshBadges();
  setInterval(() => { if (!document.hidden) refreshBadges(); }, BADGE_INTERVAL_MS);
  // With the regions of the page, so that both show the same counts.
  let waiting;
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!event.detail.target?.matches("[hx-trigger*='sse:']")) return;
    clearTimeout(waiting);
    waiting = setTimeout(refreshBadges, 300);
  });
}

document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// The list of documents would fill a narrow screen.
for (const part of document.querySelectorAll("[data-fold-narrow]")) part.open = window.matchMedia("(min-width: 1021px)").matches;
