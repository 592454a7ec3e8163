"use strict";
// Asks for the page again and puts the parts that changed in the place of the
// old ones. What the server sends is whole, escaped HTML; nothing is built
// from text here. Without this script the page reloads itself.
(() => {
  const every = 5000;
  const button = document.createElement("button");
  let paused = false, failed = false, timer = 0;

  const busy = (part) => {
    const s = document.getSelection();
    return part.contains(document.activeElement) && document.activeElement !== part.querySelector(".scroll") ||
      s && !s.isCollapsed && part.contains(s.anchorNode);
  };
  const say = () => {
    const state = document.getElementById("state");
    if (state) state.textContent = failed ? "(no answer: this is old)" : paused ? "(paused)" : "";
    button.textContent = paused ? "Resume" : "Pause";
    button.setAttribute("aria-pressed", String(paused));
  };
  const replace = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = next.getElementById(part.id);
      if (!other) { part.hidden = true; continue; }
      if (busy(part)) continue;
      const old = part.querySelector(".scroll"), left = old ? old.scrollLeft : 0;
      const focused = old && document.activeElement === old;
      part.replaceWith(other);
      const now = other.querySelector(".scroll");
      if (now) { now.scrollLeft = left; if (focused) now.focus({ preventScroll: true }); }
    }
    // A part that was not there when the page was loaded, such as the first
    // server without forward secrecy, goes where it is in the new page.
    let before = null;
    for (const part of next.querySelectorAll("[data-part]")) {
      const here = document.getElementById(part.id);
      if (here) { here.hidden = false; before = here; continue; }
      if (before) { before.after(part); before = part; }
    }
  };
  const tick = async () => {
    if (!paused && !document.hidden) {
      try {
        const answer = await fetch(location.pathname + location.search, { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(20000) });
        if (!answer.ok) throw new Error(answer.status);
        replace(await answer.text());
        failed = false;
      } catch { failed = true; }
      say();
    }
    timer = setTimeout(tick, every);
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { clearTimeout(timer); tick(); }
  });
  button.type = "button";
  button.addEventListener("click", () => { paused = !paused; say(); });
  document.querySelector("header.top").append(button);
  button.classList.add("controls");
  say();
  timer = setTimeout(tick, every);
})();
