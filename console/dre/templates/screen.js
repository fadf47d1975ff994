// Helps where scripts run; every page works without it.
"use strict";
const heading = document.getElementById("heading");
if (heading) heading.focus();
const quiet = Number(document.body.dataset.quiet) * 1000;
if (quiet > 0) {
  const there = document.getElementById("there");
  setTimeout(() => { there.hidden = false; there.querySelector("button").focus(); }, quiet);
}
// When the device has ended the session, this page is no longer the screen's.
setInterval(async () => {
  try {
    const answer = await fetch("/stage", { cache: "no-store" });
    if (answer.ok && (await answer.text()) !== document.body.dataset.stage) location.replace("/");
  } catch { /* the device is restarting */ }
}, 5000);
const keyboard = document.querySelector("[data-keyboard]");
if (keyboard) {
  const lines = [...document.querySelectorAll("[data-write]")];
  let line = lines[0];
  for (const one of lines) one.addEventListener("focus", () => { line = one; });
  keyboard.hidden = false;
  keyboard.addEventListener("click", (event) => {
    const key = event.target.closest("button");
    if (!key) return;
    if ("erase" in key.dataset) line.value = [...line.value].slice(0, -1).join("");
    else if (line.value.length < line.maxLength) {
      const start = line.value === "" || line.value.endsWith(" ");
      line.value += start ? key.dataset.key.toLocaleUpperCase() : key.dataset.key;
    }
  });
}
