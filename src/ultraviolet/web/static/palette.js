// The command palette: pages of the navigation at once, resources and objects from the hub.
"use strict";

const palette = document.getElementById("palette");
const paletteInput = palette?.querySelector("input");
const suggestionList = document.getElementById("suggestions");
const root = document.body.dataset.root ?? "";
const SUGGEST_DELAY_MS = 120;
let suggestTimer;
let pending;

function pagesMatching(text) {
  return [...document.querySelectorAll(".side nav a[href]")]
    .map((link) => ({
      title: link.querySelector("span").textContent,
      detail: link.closest("ul").previousElementSibling?.textContent ?? "",
      address: link.getAttribute("href"),
      icon: link.querySelector("use").getAttribute("href").split("#")[1],
      own: true,
    }))
    .filter((page) => page.title.toLowerCase().includes(text.toLowerCase()));
}

function select(item) {
  for (const other of suggestionList.children) other.setAttribute("aria-selected", String(other === item));
  paletteInput.setAttribute("aria-activedescendant", item?.id ?? "");
  item?.scrollIntoView({ block: "nearest" });
}

function showSuggestions(suggestions) {
  const sprite = document.querySelector(".side use").getAttribute("href").split("#")[0];
  suggestionList.replaceChildren(...suggestions.map((suggestion, index) => {
    const item = document.createElement("li");
    item.id = `suggestion-${index}`;
    item.role = "option";
    item.dataset.address = suggestion.own ? suggestion.address : root + suggestion.address;
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.setAttribute("class", "icon");
    icon.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${sprite}#${suggestion.icon}`);
    icon.append(use);
    const title = document.createElement("span");
    title.className = "title";
    title.textContent = suggestion.title;
    const detail = document.createElement("span");
    detail.className = "detail";
    detail.textContent = suggestion.detail;
    item.append(icon, title, detail);
    return item;
  }));
  select(suggestionList.firstElementChild);
  palette.querySelector("[role=status]").textContent = `${suggestions.length} ${suggestions.length === 1 ? "suggestion" : "suggestions"}`;
}

async function suggest() {
  const text = paletteInput.value.trim();
  const pages = pagesMatching(text);
  pending?.abort();
  if (!text) return showSuggestions(pages);
  pending = new AbortController();
  const everywhere = { title: `Search all objects for “${text}”`, detail: "", address: `/search?${new URLSearchParams({ q: text })}`, icon: "search" };
  showSuggestions([...pages, everywhere]);
  try {
    const response = await fetch(`${root}/palette?${new URLSearchParams({ q: text })}`, { signal: pending.signal });
    const found = response.ok ? await response.json() : [];
    if (paletteInput.value.trim() === text) showSuggestions([...pages, ...found, everywhere]);
  } catch {
    // Aborted by newer text, or the hub does not answer: the search itself is still offered.
  }
}

function openPalette(text = "") {
  if (!palette || palette.open) return;
  paletteInput.value = text;
  palette.showModal();
  suggest();
}

// The focus leaves first: the browser moves it later, and until then keys would belong to the hidden field.
function closePalette() {
  paletteInput.blur();
  palette.close();
}

if (palette) {
  paletteInput.addEventListener("input", () => {
    select(null); // Enter searches until the suggestions fit the text
    clearTimeout(suggestTimer);
    suggestTimer = setTimeout(suggest, SUGGEST_DELAY_MS);
  });
  paletteInput.addEventListener("keydown", (event) => {
    const chosen = suggestionList.querySelector("[aria-selected=true]");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = event.key === "ArrowDown" ? chosen?.nextElementSibling : chosen?.previousElementSibling;
      select(next ?? (event.key === "ArrowDown" ? suggestionList.firstElementChild : suggestionList.lastElementChild));
    } else if (event.key === "Escape") {
      event.preventDefault(); // a search field would only become empty
      closePalette();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const text = paletteInput.value.trim();
      if (chosen) location.href = chosen.dataset.address;
      else if (text) location.href = `${root}/search?${new URLSearchParams({ q: text })}`;
    }
  });
  suggestionList.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (item) location.href = item.dataset.address;
  });
  palette.addEventListener("click", (event) => { if (event.target === palette) closePalette(); });
  // The search field of the side bar opens the palette; without scripts it is a plain search.
  document.getElementById("search")?.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    openPalette(event.target.value);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    openPalette();
  }
});
