// A representative's desk on the calling equipment (58). It holds the representative's own token, for this tab only, says what they want,
// renews the lease while the page is there, and shows the call that comes with its page and its note. It decides nothing.
"use strict";

// A browser wakes a page in the background once a minute: two of three renewals may be late.
const LEASE_SECONDS = 150;
const LOOK_MS = 1000;
const KEY = "callbridge-desk";
const WORDS = {
  logged_off: "Logged off", available: "Available", promised: "A customer's phone rings", ringing: "Your phone rings", busy: "In a call",
  wrap_up: "Writing up", break: "On a break", set_aside: "You did not answer: no calls for a while",
};
const at = (id) => document.getElementById(id);
// What the representative wants; the lease renews it.
let token = null, id = null, wish = "available", renewed = 0, looking = null, busy = false;

// The middle of a token says whose it is; what it says is the equipment's to judge.
function whose(text) {
  try {
    const bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/")).slice(16, -32);
    return bytes.split("\0")[1] || null;
  } catch {
    return null;
  }
}

async function ask(method, path, body) {
  const headers = { Authorization: `Bearer ${token}` };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(`/v1/representatives/${encodeURIComponent(id)}${path}`, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  if (answer.status === 401) throw new Refused();
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.status === 204 ? null : answer.json();
}

class Refused extends Error {}

function element(name, text, more) {
  const made = Object.assign(document.createElement(name), more);
  if (text) made.textContent = text;
  return made;
}

function link({ url, title }) {
  // Only what a browser opens as a page: the customer's browser said what stands here.
  if (!/^https?:\/\//i.test(url)) return element("span", title || url);
  return element("a", title || url, { href: url, target: "_blank", rel: "noopener noreferrer" });
}

function showCall(call) {
  const part = at("call");
  const last = JSON.stringify(call);
  if (part.dataset.last === last) return;
  part.dataset.last = last;
  part.replaceChildren();
  part.className = call ? "card" : "";
  if (!call) {
    part.append(element("p", "When a customer is called for you, you see here what they looked at.", { className: "idle soft" }));
    return;
  }
  part.append(element("h2", call.customer.address));
  const list = element("dl");
  const add = (name, ...values) => {
    const value = element("dd");
    value.append(...values);
    list.append(element("dt", name), value);
  };
  if (call.note) add("Note", element("span", call.note, { className: "note" }));
  if (call.web_page) {
    add("On this page", link(call.web_page));
    const viewed = call.web_page.viewed || [];
    if (viewed.length) {
      const pages = element("ul");
      for (const page of [...viewed].reverse()) {
        const item = element("li");
        item.append(link(page));
        pages.append(item);
      }
      add("Before that", pages);
    }
  }
  if (call.reference) add("Reference", element("span", call.reference));
  part.append(list);
  if (call.state === "bridged") {
    const form = element("form");
    form.append(element("button", "Hang up", { className: "stop" }));
    form.addEventListener("submit", (event) => { event.preventDefault(); ask("DELETE", "/call").then(look, lost); });
    part.append(form);
  }
}

function show(view) {
  at("name").textContent = view.name || view.id;
  at("state").textContent = WORDS[view.state] || view.state;
  at("state").classList.toggle("free", view.state === "available");
  at("break").hidden = wish !== "available";
  at("free").hidden = wish === "available" && !["wrap_up", "set_aside"].includes(view.state);
}

function lost(error) {
  if (error instanceof Refused) return leave("This token is not good any more. Ask for another one.");
  at("lost").textContent = "No connection to the equipment. Your call goes on; trying again.";
}

async function look() {
  if (busy || !token) return;
  busy = true;
  try {
    // Who comes back to the page in a break stays in it.
    if (!renewed && (await ask("GET", "")).state === "break") wish = "break";
    if (Date.now() - renewed > LEASE_SECONDS * 1000 / 3) await say(wish);
    const view = await ask("GET", "");
    show(view);
    showCall(view.call ? await ask("GET", "/call") : null);
    at("lost").textContent = "";
  } catch (error) {
    lost(error);
  } finally {
    busy = false;
  }
}

async function say(word) {
  show(await ask("PUT", "/session", { state: word, lease_seconds: LEASE_SECONDS }));
  renewed = Date.now();
}

function want(word) {
  wish = word;
  // Back from a rest at once: a break that is over ends the rest after a talk, too.
  const before = word === "available" ? say("break") : Promise.resolve();
  before.then(() => say(word)).then(look).catch(lost);
}

function enter(text) {
  token = text;
  id = whose(text);
  if (!id) return leave("This is no token.");
  sessionStorage.setItem(KEY, text);
  at("enter").hidden = true;
  at("desk").hidden = at("leave").hidden = false;
  clearInterval(looking);
  looking = setInterval(look, LOOK_MS);
  look();
}

function leave(problem) {
  clearInterval(looking);
  sessionStorage.removeItem(KEY);
  token = id = null;
  renewed = 0;
  wish = "available";
  at("desk").hidden = at("leave").hidden = true;
  at("enter").hidden = false;
  at("problem").textContent = problem;
  at("lost").textContent = "";
}

function on(name, act) {
  at(name).addEventListener("submit", (event) => { event.preventDefault(); act(); });
}
on("enter", () => enter(at("token").value.trim()));
on("break", () => want("break"));
on("free", () => want("available"));
on("leave", () => say("logged_off").then(() => leave(""), lost));

const given = location.hash.slice(1);
// What is in the address would be in the history.
if (given) history.replaceState(null, "", location.pathname);
if (given || sessionStorage.getItem(KEY)) enter(given || sessionStorage.getItem(KEY));
else leave("");
