// Keeps the page up to date without a reload: it asks for the same page again and changes only what differs. Everything
// works without it, too, and it needs nothing from elsewhere.
"use strict";
(() => {
  const main = document.querySelector("main");
  const said = document.getElementById("said");
  const stamp = document.getElementById("stamp");
  const pause = document.getElementById("pause");
  const timeout = 8000; // ms; the agent answers at once or not at all
  const typing = 250; // ms without a key before a search is asked for
  let timer = 0;
  let asking = null;
  let paused = false;
  let attention = summary(document);

  function summary(page) {
    return page.getElementById("attention-title")?.textContent.trim() ?? "";
  }

  // A change is said only where somebody should know of it: the number of things that need somebody, or that the agent
  // is away.
  function say(text) {
    if (said.textContent !== text) said.textContent = text;
  }

  // morph makes one element like another, and keeps what is the same: the focus, a selection, what is folded out, and
  // the place where a table is scrolled to. Elements with an id keep it, so that a button never becomes another row's.
  function morph(from, to) {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || (from.id ?? "") !== (to.id ?? "")) {
      from.replaceWith(to);
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    for (const { name, value } of [...to.attributes]) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && !(name === "open" && from.nodeName === "DETAILS")) from.removeAttribute(name);
    }
    if (from.nodeName === "INPUT" || from.contains(document.activeElement) && from.nodeName === "FORM") return;
    let at = from.firstChild;
    for (const next of [...to.childNodes]) {
      const same = next.id ? [...from.children].find((c) => c.id === next.id) : null;
      if (same && same !== at) {
        from.insertBefore(same, at);
        at = same;
      }
      if (!at) {
        from.append(next);
      } else if (at.id && at.id !== next.id) {
        from.insertBefore(next, at); // what stands there may still be asked for
      } else {
        const after = at.nextSibling;
        morph(at, next);
        at = after;
      }
    }
    while (at) {
      const after = at.nextSibling;
      at.remove();
      at = after;
    }
  }

  async function refresh() {
    clearTimeout(timer);
    asking?.abort();
    const mine = (asking = new AbortController());
    const late = setTimeout(() => mine.abort(), timeout);
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" }, cache: "no-store", signal: mine.signal, redirect: "error",
      });
      if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== asking) return;
      for (const id of ["nav", "main", "foot", "verdict", "stamp"]) {
        const from = document.getElementById(id);
        const to = page.getElementById(id);
        if (from && to) morph(from, document.adoptNode(to));
      }
      document.title = page.title;
      document.body.classList.remove("lost");
      const now = summary(document);
      say(now === attention ? "" : now);
      attention = now;
    } catch (fault) {
      if (mine !== asking) return; // a newer question took its place
      const why = mine.signal.aborted ? "it does not answer" : fault.message;
      if (!document.body.classList.contains("lost")) stamp.textContent += ` – the agent is not reached (${why})`;
      document.body.classList.add("lost");
      say("The agent is not reached. The page shows what was known before.");
    } finally {
      clearTimeout(late);
      if (mine === asking) next();
    }
  }

  function next() {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(refresh, Number(main.dataset.every) * 1000);
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    if (paused) {
      asking?.abort();
      asking = null;
      clearTimeout(timer);
    } else refresh();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : paused || refresh()));

  // A search needs no reload either.
  const search = document.getElementById("search");
  function find() {
    const asked = new URL(location.href);
    asked.search = new URLSearchParams([...new FormData(search)].filter(([, value]) => value !== ""));
    history.replaceState(null, "", asked);
    refresh();
  }
  let typed = 0;
  search?.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(find, typing);
  });
  search?.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typed);
    find();
  });
  next();
})();
