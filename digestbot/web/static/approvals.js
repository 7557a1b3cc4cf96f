// The keys of the page of approvals: j and k move, x selects, a approves, e edits, d declines.
"use strict";
const editions = [...document.querySelectorAll(".approval")];
const boxes = editions.map((edition) => edition.querySelector("input[type=checkbox]"));
const decide = (at, decision) => {
  boxes.forEach((box, number) => { box.checked = number === at; });
  document.querySelector(`#decide button[value=${decision}]`).click();
};
document.getElementById("all").addEventListener("change", (event) => {
  boxes.forEach((box) => { box.checked = event.target.checked; });
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("textarea, input:not([type=checkbox])")) return;
  const at = editions.findIndex((edition) => edition.contains(document.activeElement));
  const near = at < 0 ? 0 : at;
  if (event.key === "j") editions[at < 0 ? 0 : Math.min(at + 1, editions.length - 1)].focus();
  else if (event.key === "k") editions[Math.max(near - 1, 0)].focus();
  else if (at < 0) return;
  else if (event.key === "x") boxes[at].checked = !boxes[at].checked;
  else if (event.key === "a") decide(at, "approve");
  else if (event.key === "d") decide(at, "decline");
  else if (event.key === "e") {
    const edit = editions[at].querySelector("details.edit");
    edit.open = true;
    edit.querySelector("textarea").focus();
  } else return;
  event.preventDefault();
});
