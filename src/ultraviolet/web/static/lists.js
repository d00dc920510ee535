// Object lists: hold live updates; the filter builder opens in a dialog, searches fields, and looks up linked objects.
"use strict";

const builderSheet = document.getElementById("builder-sheet");
const LOOKUP_DELAY_MS = 150;
let lookupTimer;
let lookupRequest;

// A changed list waits while someone reads it, so that a click opens the object under the pointer.
const changed = document.querySelector("[data-new]");
if (changed) {
  const list = document.getElementById("objects");
  const ids = (rows) => [...rows].map((row) => row.id).join();
  holdUpdates(list, {
    button: changed,
    describe: (incoming) => (ids(incoming) === ids(list.querySelectorAll("tbody tr")) ? "" : "List changed · Show"),
    isPaused: () => false,
    focusAfter: document.querySelector("h1"),
  });
}

// The form takes the focus in the moment in which it appears. htmx would do that somewhat later, while someone types.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "builder" || !event.target.childElementCount) return;
  if (builderSheet && !builderSheet.matches(":popover-open")) builderSheet.showPopover();
  const wanted = event.target.querySelector("[autofocus]");
  (wanted ?? event.target.querySelector("input:not([type=hidden]), select, button"))?.focus();
  wanted?.removeAttribute("autofocus");
});

// A browser that goes back restores what was chosen.
document.addEventListener("htmx:load", (event) => {
  for (const select of event.target.querySelectorAll("select[data-control]")) fitControl(select);
});

// Show the fields whose name, or the name of whose group, contains the text; open their groups.
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-field-search]")) return;
  const text = event.target.value.trim().toLowerCase();
  const form = event.target.form;
  const groups = [...form.querySelectorAll(".field-groups details")];
  let found = 0;
  groups.forEach((group, place) => {
    const title = group.querySelector("summary").textContent.trim().toLowerCase();
    const items = [...group.querySelectorAll("li")];
    items.forEach((item, at) => {
      const label = item.textContent.replace("›", "").trim().toLowerCase();
      item.hidden = !`${title} ${label}`.includes(text);
      item.dataset.place ??= at;
      item.dataset.rank = rankField(text, title, label, group.dataset.own !== undefined);
    });
    const shown = items.filter((item) => !item.hidden);
    group.dataset.place ??= place;
    group.dataset.rank = Math.min(...shown.map((item) => item.dataset.rank));
    group.hidden = shown.length === 0;
    group.open = text ? shown.length > 0 : group.dataset.place === "0";
    found += shown.length;
    if (form.matches("[data-field-picker]")) group.querySelector("ul").append(...items.sort(byRank));
  });
  // The order of columns is that of their boxes in the form.
  if (form.matches("[data-field-picker]")) form.querySelector(".field-groups").prepend(...groups.sort(byRank));
  form.querySelector("[data-none]").hidden = found > 0;
});

// The exact name comes first, then the fields of the object itself, then those of linked objects.
function rankField(text, title, label, own) {
  if (!text) return 0;
  if (text === label || text === `${title} ${label}`) return own ? 0 : 1;
  const match = label.startsWith(text) ? 0 : label.includes(text) ? 1 : 2;
  return (own ? 2 : 5) + match;
}

function byRank(one, other) {
  return one.dataset.rank - other.dataset.rank || one.dataset.place - other.dataset.place;
}

// Another condition may need another form for its value, which the hub renders.
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-control]")) fitControl(event.target);
});

// This does not wait for htmx to process the form, which takes some time after it appears. The newest choice replaces
// the request of an earlier one.
function fitControl(select) {
  const control = select.selectedOptions[0].dataset.control;
  if (control === select.dataset.control) return;
  select.dataset.control = control;
  const address = `${select.form.action}?${new URLSearchParams(new FormData(select.form))}`;
  htmx.ajax("GET", address, { source: select, target: "#builder", select: "#builder", swap: "outerHTML ignoreTitle:true" });
}

// Enter in the search chooses the best match.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("[data-field-search]")) return;
  event.preventDefault();
  const [best] = [...event.target.form.querySelectorAll(".field-groups li:not([hidden]):not(:has([data-deeper]))")]
    .sort((one, other) => (one.dataset.rank ?? 0) - (other.dataset.rank ?? 0));
  best?.querySelector("button, input").click();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-closes-sheet]") && builderSheet) {
    event.preventDefault();
    builderSheet.hidePopover();
  }
  const move = event.target.closest("[data-move]");
  if (move) {
    const item = move.closest("li");
    if (move.dataset.move === "-1") item.previousElementSibling?.before(item);
    else item.nextElementSibling?.after(item);
    move.focus();
  }
  const option = event.target.closest("[data-id]");
  if (option) chooseLinked(option);
});

function chooseLinked(option) {
  const lookup = option.closest("[data-lookup]");
  lookup.querySelector("[name=value]").value = option.dataset.title;
  lookup.querySelector("[name=linked]").value = option.dataset.id;
  lookup.querySelector("[role=status]").textContent = option.textContent;
  clearTimeout(lookupTimer);
  lookupRequest?.abort();
  showMatches(lookup, []);
  lookup.querySelector("input").focus();
}

function showMatches(lookup, matches) {
  const list = lookup.querySelector("[role=listbox]");
  const input = lookup.querySelector("input");
  list.replaceChildren(...matches.map((match, index) => {
    const item = document.createElement("li");
    item.id = `match-${index}`;
    item.role = "option";
    item.dataset.id = match.id;
    item.dataset.title = match.title;
    item.textContent = `${match.title} · ${match.detail}`;
    item.setAttribute("aria-selected", "false");
    return item;
  }));
  list.hidden = matches.length === 0;
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", String(matches.length > 0));
  input.removeAttribute("aria-activedescendant");
}

// Shows the matches and returns them; nothing if someone types on.
async function lookUp(lookup) {
  const text = lookup.querySelector("input").value.trim();
  lookupRequest?.abort();
  lookupRequest = new AbortController();
  const { lookup: resource, integration } = lookup.dataset;
  const query = new URLSearchParams({ q: text, resource, integration });
  try {
    const response = await fetch(`${document.body.dataset.root}/palette?${query}`, { signal: lookupRequest.signal });
    const matches = response.ok ? await response.json() : [];
    if (lookup.querySelector("input").value.trim() !== text) return null;
    showMatches(lookup, matches);
    lookup.querySelector("[role=status]").textContent = matches.length ? `${matches.length} found` : "None found";
    return matches;
  } catch (error) {
    if (error.name === "AbortError") return null;
    showMatches(lookup, []);
    return [];
  }
}

// An empty field offers the first objects.
document.addEventListener("focusin", (event) => {
  const lookup = event.target.matches("[name=value]") && event.target.closest("[data-lookup]");
  if (lookup && !event.target.value) lookUp(lookup);
});

// A text that was sent before a match was chosen: choose the only match, or let people choose among several. The hub
// answers a text without matches.
document.addEventListener("submit", async (event) => {
  const lookup = event.target.querySelector("[data-lookup]");
  const text = lookup?.querySelector("[name=value]").value.trim();
  if (!text || lookup.querySelector("[name=linked]").value || lookup.dataset.unknown === text) return;
  const { submitter, target: form } = event;
  event.preventDefault();
  clearTimeout(lookupTimer);
  const matches = await lookUp(lookup);
  if (!matches) return;
  const exact = matches.filter((match) => match.id === text || match.title.toLowerCase() === text.toLowerCase());
  const [only, ...others] = exact.length ? exact : matches;
  if (others.length) {
    lookup.querySelector("[role=status]").textContent = "Several match. Choose one.";
    lookup.querySelector("[name=value]").focus();
    return;
  }
  if (only) chooseLinked([...lookup.querySelectorAll("[data-id]")].find((option) => option.dataset.id === only.id));
  else lookup.dataset.unknown = text;
  form.requestSubmit(submitter);
});

document.addEventListener("input", (event) => {
  const lookup = event.target.closest("[data-lookup]");
  if (!lookup) return;
  lookup.querySelector("[name=linked]").value = "";
  showMatches(lookup, []);  // those of an earlier text must not be chosen
  clearTimeout(lookupTimer);
  lookupTimer = setTimeout(lookUp, LOOKUP_DELAY_MS, lookup);
});

document.addEventListener("keydown", (event) => {
  const lookup = event.target.closest?.("[data-lookup]");
  const options = lookup ? [...lookup.querySelectorAll("[role=option]")] : [];
  if (options.length === 0) return;
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    const next = options[(at + step + options.length) % options.length];
    for (const option of options) option.setAttribute("aria-selected", String(option === next));
    event.target.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" && at >= 0) {
    event.preventDefault();
    chooseLinked(options[at]);
  } else if (event.key === "Escape") {
    event.preventDefault();
    showMatches(lookup, []);
  }
});
