// The reference of the API: no request leaves this hub, and each has the session's CSRF token.
"use strict";

const place = document.getElementById("reference");
const theme = document.documentElement.dataset.theme;

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
  forceDarkModeState: theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"),
  onBeforeRequest: ({ request }) => {
    request.headers.set("x-csrf-token", place.dataset.csrf);
    // Without a key in the form, the session authenticates.
    if (request.headers.get("authorization")?.trim().toLowerCase() === "bearer") request.headers.delete("authorization");
  },
});
