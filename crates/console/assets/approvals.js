// Approvals: countdowns, keys, and news of calls that came or were decided elsewhere. Rows never
// move: what is new waits behind a link, what is gone is marked where it stands.

import { typing } from "./app.js";

const inbox = document.getElementById("inbox");
const held = document.getElementById("held");
const news = document.getElementById("news");
const live = news?.dataset.live ?? held?.dataset.live;

for (const keys of document.querySelectorAll("#keys")) keys.hidden = false;

function countdown(seconds) {
  if (seconds <= 0) return "over";
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} d`;
  const two = (number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function count() {
  for (const time of document.querySelectorAll("time[data-until]")) {
    const seconds = Math.floor((new Date(time.dateTime) - Date.now()) / 1000);
    const words = countdown(seconds);
    if (time.textContent !== words) time.textContent = words;
    if (seconds < 300) time.parentElement.classList.add("urgent");
  }
}

function say(text, address) {
  if (news.dataset.said === text) return;
  news.dataset.said = text;
  news.replaceChildren();
  if (!text) return;
  const line = document.createElement("p");
  line.className = "notice info";
  line.append(text, " ");
  const link = document.createElement("a");
  link.className = "pill";
  link.href = address;
  link.textContent = "Show";
  line.append(link);
  news.append(line);
}

// The page of one call: it ends here when the call does, and says when what it stands on has changed.
function one({ waits, tag }) {
  if (!waits) {
    for (const button of document.querySelectorAll("#approve button, #reject button")) button.disabled = true;
    say("This call is decided, or its time is over.", `/approvals/${held.dataset.id}`);
  } else if (tag !== held.dataset.shown) {
    say("The grant, the policy or the tool of this call changed since this page was made. Look again before you decide.", `/approvals/${held.dataset.id}`);
  }
}

function list({ newer, ids, all }) {
  const waiting = new Set(ids);
  const rows = [...document.querySelectorAll("#inbox tr[data-id]")];
  // More calls than are listed may have come before the rows of this page: then nothing is known of them.
  const known = all || newer + rows.length <= ids.length;
  for (const row of rows) row.classList.toggle("gone", known && !waiting.has(row.dataset.id));
  const gone = rows.filter((row) => row.classList.contains("gone")).length;
  const parts = [];
  if (newer > 0) parts.push(newer === 1 ? "1 new call waits." : `${newer} new calls wait.`);
  if (gone > 0) parts.push(gone === 1 ? "1 call here is decided or over." : `${gone} calls here are decided or over.`);
  say(parts.join(" "), "/approvals");
}

if (live) {
  const source = new EventSource(live);
  // The stream ends now and then and is opened again: only a longer silence is said.
  let silence = 0;
  source.addEventListener("error", () => {
    if (silence === 0) silence = setTimeout(() => say("News of other calls does not come in: what is shown here may be old.", location.href), 10000);
  });
  source.addEventListener("open", () => {
    clearTimeout(silence);
    silence = 0;
    if (news.dataset.said?.startsWith("News")) say("");
  });
  source.addEventListener("pending", (event) => {
    const now = JSON.parse(event.data);
    if (held) one(now);
    else list(now);
  });
  addEventListener("pagehide", () => source.close());
}

function choose(step) {
  const links = [...inbox.querySelectorAll("tr[data-id] th a")];
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1);
  links[next]?.focus();
}

// A key acts on what has the focus; on the page of one call `a` first goes to the button, and presses
// it when it is there already.
// After `g` the next key leads to another page (app.js) and decides nothing.
let led = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
  const key = event.key;
  if (key === "g") { led = Date.now(); return; }
  if (Date.now() - led < 1500) return;
  if (inbox) {
    if (key === "j") choose(1);
    else if (key === "k") choose(-1);
    else if (key === "a" || key === "r") {
      const link = document.activeElement?.closest?.("tr[data-id] th a");
      if (link) location.assign(`${link.href}#to-${key === "a" ? "approve" : "reject"}`);
    }
    return;
  }
  if (!held) return;
  const button = document.getElementById("approve-button");
  if (key === "a" && button) {
    if (document.activeElement === button) button.form.requestSubmit();
    else button.focus();
  } else if (key === "r") {
    const reason = document.getElementById("reason");
    if (reason) { event.preventDefault(); reason.focus(); }
  } else if (key === "j") {
    document.querySelector("a[rel=next]")?.click();
  } else if (key === "k") {
    document.querySelector("a[rel=prev]")?.click();
  }
});

// No element has these names: going to one would take the focus away again.
if (location.hash === "#to-approve") document.getElementById("approve-button")?.focus();
if (location.hash === "#to-reject") document.getElementById("reason")?.focus();
count();
setInterval(count, 1000);
