// Charts: dragging over one opens the page of the selected time range.
"use strict";

const MIN_DRAG_PIXELS = 8;
const selection = Object.assign(document.createElement("div"), { className: "chart-selection", hidden: true });
document.body.append(selection);
let drag = null;

function endDrag() {
  drag = null;
  selection.hidden = true;
}

document.addEventListener("pointerdown", (event) => {
  const chart = event.button === 0 && event.pointerType !== "touch" && event.target.closest?.(".chart[data-zoom]");
  if (!chart) return;
  // A live update may replace the chart while someone drags.
  const { zoom, starts } = chart.dataset;
  drag = { zoom, starts: JSON.parse(starts), plot: chart.querySelector(".plot").getBoundingClientRect(), from: event.clientX };
});

document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const { plot } = drag;
  const within = (x) => Math.min(Math.max(x, plot.left), plot.right);
  const [left, right] = [drag.from, event.clientX].map(within).sort((one, other) => one - other);
  selection.hidden = right - left < MIN_DRAG_PIXELS;
  const size = { left, top: plot.top, width: right - left, height: plot.height };
  for (const [name, value] of Object.entries(size)) selection.style[name] = `${value}px`;
});

document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { zoom, starts, plot, from } = drag;
  endDrag();
  if (Math.abs(event.clientX - from) < MIN_DRAG_PIXELS || starts.length < 2) return;
  const place = (x) => Math.min(Math.max(Math.floor(((x - plot.left) / plot.width) * starts.length), 0), starts.length - 1);
  const [first, last] = [from, event.clientX].map(place).sort((one, other) => one - other);
  const times = starts.map((start) => Date.parse(start));
  const step = times[1] - times[0];
  const address = new URL(zoom, location.href);
  address.searchParams.set("since", new Date(times[first]).toISOString().slice(0, 16));
  address.searchParams.set("until", new Date(times[last] + step).toISOString().slice(0, 16));
  location.assign(address);
});

document.addEventListener("pointercancel", endDrag);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") endDrag(); });
