// Live updates of a list that someone reads: its rows stay in place, and a changed list waits behind a button.
"use strict";

const ROWS = "tbody tr, [data-row]";

// The list is held while it is scrolled, has the pointer or the focus, or is paused. Rows that are already shown are
// updated in place. "describe" returns the text of the button for the rows of the hub, empty without other rows.
// Returns a function that shows the newest list.
function holdUpdates(list, { button, describe, isPaused, focusAfter }) {
  let releasing = false;

  function held() {
    if (!list.querySelector(ROWS)) return false;
    return isPaused() || list.getBoundingClientRect().top < 0 || list.matches(":hover, :focus-within");
  }

  function offer(text) {
    button.hidden = !text;
    button.textContent = text;
  }

  function release() {
    releasing = true;
    htmx.trigger(list, "refresh");
  }

  button.addEventListener("click", () => {
    release();
    if (list.getBoundingClientRect().top < 0) list.scrollIntoView();
    focusAfter.focus({ preventScroll: true });
  });
  list.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status !== 200) return;
    if (held() && !releasing) {
      event.detail.shouldSwap = false;
      const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
      const incoming = [...page.querySelectorAll(`#${list.id} :is(${ROWS})`)];
      offer(describe(incoming));
      for (const row of incoming) {
        const shown = document.getElementById(row.id);
        if (shown) Idiomorph.morph(shown, row);
      }
      htmx.process(list);
    } else {
      offer("");
    }
    releasing = false;
  });
  const continueIfFree = () => setTimeout(() => { if (!button.hidden && !held()) release(); });
  list.addEventListener("mouseleave", continueIfFree);
  list.addEventListener("focusout", continueIfFree);
  window.addEventListener("scroll", continueIfFree, { passive: true });
  return release;
}

// Lists without own rules: the button counts the new rows. Rows of tables within a row have no id.
for (const list of document.querySelectorAll("[data-held]")) {
  const button = Object.assign(document.createElement("button"), { type: "button", hidden: true });
  const place = Object.assign(document.createElement("div"), { className: "new-items" });
  place.append(button);
  list.before(place);
  const ids = (rows) => [...rows].map((row) => row.id).filter(Boolean);
  holdUpdates(list, {
    button,
    describe: (rows) => {
      const [shown, incoming] = [ids(list.querySelectorAll(ROWS)), ids(rows)];
      const count = incoming.filter((id) => !shown.includes(id)).length;
      if (count) return `${count} new · Show`;
      return shown.join() === incoming.join() ? "" : "List changed · Show";
    },
    isPaused: () => false,
    focusAfter: document.getElementById("content"),
  });
}
