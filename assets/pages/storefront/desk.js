// Keeps a desk or a wallboard live: puts newer parts in place, saves what is noted, and tells the server that this browser is there.
// Nothing else. The page says where its server is: `data-base` of its body.
"use strict";

const { token, lease, base = "/desk" } = document.body.dataset;
const [lost, said] = [".lost", "#said"].map((one) => document.querySelector(one));
const GONE = "No connection to the desk. Calls go on; trying again.";
const SAVE_MS = 800;

// A part that has not changed is left alone, and the one at the top while somebody types in it. The keyboard stays where it was.
function put(name, html) {
  const part = document.getElementById(name);
  if (!part) return;
  if (part.dataset.last === undefined) part.dataset.last = part.innerHTML;
  const fresh = document.createElement("div");
  fresh.innerHTML = html;
  const at = document.activeElement;
  const within = part.contains(at);
  if (fresh.innerHTML === part.dataset.last || within && name === "status" && at.matches("input")) return;
  const all = () => [...part.querySelectorAll("a, button, input, select, textarea, summary")];
  const place = within ? all().indexOf(at) : -1;
  part.innerHTML = html;
  part.dataset.last = fresh.innerHTML;
  const again = all()[place];
  if (within) (again && again.textContent === at.textContent ? again : part).focus();
}

// What a screen reader is told: the state and who it is about, not the whole page.
function say() {
  const words = ["#status .state", "#call h2"].map((one) => document.querySelector(one)?.textContent.trim().replace(/\s+/g, " "));
  const text = words.filter(Boolean).join(". ");
  if (said && said.textContent !== text) said.textContent = text;
}

// Notes of the call that goes on: saved while they are typed, shown in every tab that is not being typed in.
let saving;
function notes({ request, text }) {
  const field = document.getElementById("text");
  const own = field?.form?.elements.request?.value;
  if (field && own === request && field !== document.activeElement && !saving && field.value !== text) field.value = text;
}
document.addEventListener("input", ({ target }) => {
  if (target.id !== "text") return;
  clearTimeout(saving);
  saving = setTimeout(async () => {
    const body = new URLSearchParams({ token, request: target.form.elements.request.value, text: target.value });
    await fetch(`${base}/notes`, { method: "POST", body }).catch(() => { lost.textContent = GONE; });
    saving = undefined;
  }, SAVE_MS);
});

function follow() {
  const events = new EventSource(`${base}/events`);
  events.addEventListener("open", () => { lost.textContent = ""; });
  events.addEventListener("error", () => { lost.textContent = GONE; });
  events.addEventListener("parts", (event) => {
    const parts = JSON.parse(event.data);
    for (const [name, html] of Object.entries(parts)) if (typeof html === "string") put(name, html);
    if (parts.notes) notes(parts.notes);
    say();
  });
  events.addEventListener("off", () => location.reload());
}

async function renew() {
  try {
    const answer = await fetch(`${base}/lease`, { method: "POST", body: new URLSearchParams({ token }), redirect: "manual" });
    if (answer.status === 401 || answer.type === "opaqueredirect") location.reload();
  } catch {
    lost.textContent = GONE;
  }
}

if (lost) follow();
if (lease) {
  renew();
  setInterval(renew, Math.max(1, lease / 3) * 1000);
}
