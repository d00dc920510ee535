// A password can be shown while it is typed.
"use strict";

for (const input of document.querySelectorAll("label > input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link reveal";
  button.textContent = "Show";
  button.setAttribute("aria-label", `Show ${input.parentElement.firstChild.textContent.trim().toLowerCase()}`);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(shown));
  });
  const field = document.createElement("div");
  field.className = "password";
  // The browser may already have given the field the focus, which it loses when it moves.
  const focused = document.activeElement === input;
  input.parentElement.replaceWith(field);
  field.append(input.parentElement, button);
  if (focused) input.focus();
}
