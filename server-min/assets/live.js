// Makes pages follow what happens, and shows times in the reader's zone. Everything works without it.
"use strict";

const PAUSE = 2000;
const EVERY = 15000;
const SOURCE = document.currentScript.src.replace(/live\.js.*$/, "live");

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.getTime())) time.textContent = date.toLocaleString();
  }
}

async function refresh() {
  const parts = [...document.querySelectorAll("[data-live]")];
  // Nobody reads a page in the background, and nobody wants what they type in or have selected to go away.
  const selection = document.getSelection();
  const isUsed = (part) => part.contains(document.activeElement) || part.querySelector("input[type=checkbox]:checked");
  const busy = parts.some(isUsed) || (selection && !selection.isCollapsed);
  if (parts.length === 0 || document.hidden || busy) return;
  const response = await fetch(location.href, { redirect: "error" });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of parts) {
    const name = CSS.escape(part.dataset.live);
    const other = fresh.querySelector(`[data-live="${name}"]`) ?? fresh.querySelector("main > div");
    if (!other) return location.reload();
    localTimes(other);
    part.replaceWith(document.importNode(other, true));
  }
}

let last = 0;
let waiting = false;

// At once, but never twice within a pause.
function soon() {
  if (waiting) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    last = Date.now();
    refresh().catch(() => {});
  }, Math.max(0, last + PAUSE - Date.now()));
}

localTimes(document);
if (document.querySelector("[data-live]")) {
  new EventSource(SOURCE).addEventListener("message", soon);
  setInterval(soon, EVERY);
  document.addEventListener("visibilitychange", () => document.hidden || soon());
}
