// What refreshes itself leaves alone what a person is using, and says when it can no longer be refreshed.
"use strict";
const inUse = (part) => part.contains(document.activeElement) && document.activeElement !== document.body;
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.matches("[hx-trigger^=every]") && (inUse(part) || part.querySelector("details[open]"))) event.preventDefault();
});
const stale = (hidden) => { document.getElementById("stale").hidden = hidden; };
for (const name of ["htmx:sendError", "htmx:responseError"]) document.addEventListener(name, () => stale(false));
document.addEventListener("htmx:afterOnLoad", () => stale(true));
