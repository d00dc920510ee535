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

Scalar.createApiReference(place, {
  url: place.dataset.document,
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
});
