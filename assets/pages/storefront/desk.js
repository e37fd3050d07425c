// Keeps the desk live: puts newer parts in place, and tells the server that this browser is there. Nothing else.
"use strict";

const { token, lease } = document.body.dataset;
const lost = document.querySelector(".lost");

// A part that has not changed is left alone, and the one at the top while somebody types in it.
function put(name, html) {
  const part = document.getElementById(name);
  if (part.dataset.last === undefined) part.dataset.last = part.innerHTML;
  const fresh = document.createElement("div");
  fresh.innerHTML = html;
  if (fresh.innerHTML === part.dataset.last || part.contains(document.activeElement) && name === "status") return;
  part.innerHTML = html;
  part.dataset.last = fresh.innerHTML;
}

function follow() {
  const events = new EventSource("/desk/events");
  events.addEventListener("open", () => { lost.textContent = ""; });
  events.addEventListener("error", () => { lost.textContent = "No connection to the desk. Your call goes on; trying again."; });
  events.addEventListener("desk", (event) => {
    const parts = JSON.parse(event.data);
    for (const name of ["status", "call", "after"]) put(name, parts[name]);
  });
  events.addEventListener("off", () => location.reload());
}

async function renew() {
  try {
    const answer = await fetch("/desk/lease", { method: "POST", body: new URLSearchParams({ token }), redirect: "manual" });
    if (answer.status === 401 || answer.type === "opaqueredirect") location.reload();
  } catch {
    lost.textContent = "No connection to the desk. Your call goes on; trying again.";
  }
}

if (lost) follow();
if (lease) {
  renew();
  setInterval(renew, Math.max(1, lease / 3) * 1000);
}
