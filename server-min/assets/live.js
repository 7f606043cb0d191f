// Makes pages follow what happens, and shows times in the reader's zone. Everything works without it.
"use strict";

const EVERY = 3000;

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.getTime())) time.textContent = date.toLocaleString();
  }
}

async function refresh() {
  const parts = [...document.querySelectorAll("[data-live]")];
  if (parts.length === 0) return;
  // Nobody reads a page in the background, and nobody wants what they type in or have selected to go away.
  const selection = document.getSelection();
  const busy = parts.some((part) => part.contains(document.activeElement) || (selection && !selection.isCollapsed));
  if (!document.hidden && !busy) {
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
  setTimeout(refresh, EVERY);
}

localTimes(document);
setTimeout(refresh, EVERY);
