// The list of resources: shows those whose name contains the text, and opens their groups.
"use strict";

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-find-resource]")) return;
  const words = event.target.value.trim().toLowerCase().split(/\s+/);
  const groups = [...document.querySelectorAll("[data-findable]:has([data-words])")];
  let found = 0;
  for (const group of groups) {
    const rows = [...group.querySelectorAll("[data-words]")];
    for (const row of rows) row.hidden = !words.every((word) => row.dataset.words.includes(word));
    const shown = rows.filter((row) => !row.hidden).length;
    group.hidden = shown === 0;
    if (group.tagName === "DETAILS") group.open = words[0] !== "" && shown > 0;
    found += shown;
  }
  document.querySelector("[data-no-resource]").hidden = found > 0;
});

// Enter opens the first resource.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("[data-find-resource]")) return;
  event.preventDefault();
  document.querySelector("[data-findable]:not([hidden]) [data-words]:not([hidden]) a")?.click();
});
