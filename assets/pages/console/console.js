// Keeps what is live on the console's pages live: each part names where its newer self is and how often to ask. Nothing else.
"use strict";

const status = document.querySelector(".status");

async function refresh(part) {
  const response = await fetch(part.dataset.refresh, { headers: { accept: "text/html" }, redirect: "manual" });
  if (response.status === 401 || response.type === "opaqueredirect") {
    location.reload();
    return;
  }
  if (!response.ok) throw new Error(response.status);
  const text = await response.text();
  // A row that is about to be followed must not vanish under the reader's finger or cursor.
  if (text !== part.dataset.last && !part.contains(document.activeElement)) {
    part.innerHTML = text;
    part.dataset.last = text;
  }
  part.dataset.refreshed = Date.now();
  status.textContent = "";
}

function follow(part) {
  const pause = Number(part.dataset.every) * 1000;
  const again = async () => {
    if (!document.hidden) {
      try {
        await refresh(part);
      } catch {
        status.textContent = "The equipment does not answer. What is shown may be old.";
      }
    }
    setTimeout(again, pause);
  };
  setTimeout(again, pause);
}

document.querySelectorAll("[data-refresh]").forEach(follow);

document.addEventListener("keydown", (event) => {
  const search = document.querySelector("[data-search]");
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "/" && search && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
  }
});
