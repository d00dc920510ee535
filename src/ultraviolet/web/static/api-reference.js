// The reference of the API: no request leaves this hub, and each has the session's CSRF token.
"use strict";

const place = document.getElementById("reference");
const dark = matchMedia("(prefers-color-scheme: dark)");

function wantedTheme() {
  return document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
}

// Scalar reads its theme once; afterwards the classes of the body are all that it uses.
function followTheme() {
  for (const theme of ["light", "dark"]) document.body.classList.toggle(`${theme}-mode`, theme === wantedTheme());
}
dark.addEventListener("change", followTheme);
document.addEventListener("themechange", followTheme);

// The reference shows the summary as the heading; the description begins with the same sentence.
function withoutHeadings(document) {
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    const heading = `${operation.summary}.`;
    if (operation.description?.startsWith(heading)) operation.description = operation.description.slice(heading.length).trim();
  }
  return document;
}

fetch(place.dataset.document).then((answer) => answer.json()).then((found) => Scalar.createApiReference(place, {
  content: withoutHeadings(found),
  theme: "none",
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true },
  hideDarkModeToggle: true,
  forceDarkModeState: wantedTheme(),
  onBeforeRequest: ({ request }) => {
    request.headers.set("x-csrf-token", place.dataset.csrf);
    // Without a key in the form, the session authenticates.
    if (request.headers.get("authorization")?.trim().toLowerCase() === "bearer") request.headers.delete("authorization");
  },
}));
