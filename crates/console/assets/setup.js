// The set-up: the part of a page that waits for an agent is shown anew until its first call is judged, and the table of
// tools takes keys. Without a script a link and the buttons do the same.

import { parse, ask } from "./swap.js";
import { typing } from "./app.js";

const part = document.querySelector("[data-first-call]");
const every = 1500;
const looksMax = 2400;

async function look(left) {
  if (left === 0 || !part.querySelector("[data-waits]")) return;
  try {
    const fresh = parse(await ask(part.dataset.firstCall));
    // Said only when something changed: it is read aloud.
    if (plain(fresh) !== plain(part)) part.replaceChildren(fresh);
    hideLink();
  } catch {
    // The session may be over, or the gateway away: the link stays for whoever is there.
    const link = part.querySelector("[data-waits-link]");
    if (link) link.hidden = false;
  }
  setTimeout(() => look(left - 1), every);
}

// Times go on by themselves, and are no news.
function plain(node) {
  const copy = node.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.textContent = time.dateTime;
  return copy.textContent.replace(/\s+/g, " ");
}

function hideLink() {
  const link = part.querySelector("[data-waits-link]");
  if (link) link.hidden = true;
}

if (part) {
  hideLink();
  setTimeout(() => look(looksMax), every);
}

// The page of a server that has listed no tool yet is shown anew until it has.
const toolless = document.querySelector("[data-tools-wait]");

async function lookForTools(left) {
  if (left === 0) return;
  try {
    const fresh = parse(await ask(toolless.dataset.toolsWait)).querySelector("[data-tools-wait]");
    if (!fresh) return location.replace(toolless.dataset.toolsWait);
    if (plain(fresh) !== plain(toolless)) toolless.replaceChildren(...fresh.childNodes);
  } catch {
    // The session may be over, or the gateway away: the link stays for whoever is there.
  }
  setTimeout(() => lookForTools(left - 1), every);
}

if (toolless) setTimeout(() => lookForTools(looksMax), every);

const table = document.getElementById("rows");
if (table) keys(table);

function keys(table) {
  const rows = [...table.tBodies[0].rows];
  const tick = (row) => row.querySelector("input[type=checkbox]");
  const ticked = () => rows.filter((row) => tick(row).checked);
  const answers = { a: "allow", p: "ask", d: "deny", h: "hide", r: "recommended" };
  const form = table.closest("form");
  let at = -1;
  document.getElementById("keys").hidden = false;
  const all = document.getElementById("tick-all");
  all.hidden = false;
  all.querySelector("input").addEventListener("change", (event) => {
    for (const row of rows) tick(row).checked = event.target.checked;
  });
  table.addEventListener("focusin", (event) => { at = rows.indexOf(event.target.closest("tr")); });
  function go(to) {
    at = Math.max(0, Math.min(rows.length - 1, to));
    tick(rows[at]).focus();
    rows[at].scrollIntoView({ block: "nearest" });
  }
  function give(row, answer) {
    const select = row.querySelector("select[name=answer]");
    if (select) select.value = answer;
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    // A tick is no text: its row takes the keys.
    const onTick = event.target.matches?.("#rows input[type=checkbox]");
    if (!onTick && typing(event.target)) return;
    if (event.key === "j") go(at + 1);
    else if (event.key === "k") go(at - 1);
    else if (event.key === "x" && at >= 0) tick(rows[at]).checked = !tick(rows[at]).checked;
    else if (answers[event.key] && (at >= 0 || ticked().length > 0)) {
      const chosen = ticked().length > 0 ? ticked() : [rows[at]];
      for (const row of chosen) give(row, answers[event.key]);
    } else return;
    form.dataset.changed = "yes";
    event.preventDefault();
  });
  form.addEventListener("change", () => { form.dataset.changed = "yes"; });
  // Choices that were not kept are not lost without a word.
  let sent = false;
  form.addEventListener("submit", () => { sent = true; });
  addEventListener("beforeunload", (event) => {
    if (form.dataset.changed && !sent) event.preventDefault();
  });
}
