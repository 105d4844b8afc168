// Shows how an ingest goes and who is connected, without a reload. The page does the same without it, by hand.
"use strict";
setInterval(async () => {
  if (document.hidden) return;
  let page;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return; // the stand-in has ended
  }
  for (const from of document.querySelectorAll("[data-live]")) {
    const to = page.getElementById(from.id);
    if (to && !from.contains(document.activeElement) && from.innerHTML !== to.innerHTML) {
      from.replaceWith(document.adoptNode(to));
    }
  }
}, 1000);
