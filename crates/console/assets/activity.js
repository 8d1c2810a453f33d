// The live end of Activity and of the overview: new calls wait behind a button while somebody reads, and come by themselves
// while nobody does. Pausing stops the view, never the traffic. And a row that opens where it stands.

import { ask, parse } from "./swap.js";

const ROWS_MAX = 300;
const calls = document.getElementById("calls");
if (calls) openInPlace(calls);
const body = document.querySelector("tbody[data-events]");
if (body) watch(body);
else awaitFirst(document.querySelector("[data-first]"));

// Nothing is there yet: the first call brings the table.
function awaitFirst(state) {
  if (!state) return;
  const source = new EventSource(state.dataset.first);
  source.addEventListener("open", () => { state.textContent = "Live"; });
  source.addEventListener("error", () => { state.textContent = "Not connected. Trying again."; });
  source.addEventListener("call", () => location.reload());
}

// Rows have a button that shows the call below them: one at a time, from the page of the call.
function openInPlace(calls) {
  calls.classList.add("opens");
  const close = () => {
    calls.querySelector("tr.here")?.remove();
    const button = calls.querySelector("[aria-expanded=true]");
    if (!button) return;
    button.setAttribute("aria-expanded", "false");
    button.textContent = "+";
  };
  calls.addEventListener("click", async (event) => {
    if (event.target.closest("a, tr.here") || !getSelection().isCollapsed) return;
    const row = event.target.closest("tr");
    const button = row?.querySelector("[data-here]");
    if (!button) return;
    const wasOpen = button.getAttribute("aria-expanded") === "true";
    close();
    if (wasOpen) return;
    button.setAttribute("aria-expanded", "true");
    button.textContent = "−";
    const here = document.createElement("tr");
    here.className = "here";
    const cell = here.insertCell();
    cell.colSpan = row.cells.length;
    cell.textContent = "Loading…";
    row.after(here);
    try {
      const call = parse(await ask(button.dataset.here));
      cell.replaceChildren(...call.querySelectorAll("main > .notice, main .actions, main section"));
    } catch {
      cell.textContent = "This call cannot be shown now: the session may be over, or the gateway away.";
    }
  });
}

function watch(body) {
  const more = document.getElementById("live-more");
  const pause = document.getElementById("live-pause");
  const state = document.getElementById("live-state");
  let waiting = [];
  let paused = false;
  let lost = 0;
  let isMore = false;

  const reads = () => paused || body.querySelector("tr.here") || body.matches(":hover") || body.contains(document.activeElement) || scrollY > 200;
  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  function put() {
    const rows = waiting.splice(0);
    for (const row of rows) if (!document.getElementById(row.id)) body.prepend(row);
    while (body.rows.length > (Number(body.dataset.rows) || ROWS_MAX)) body.deleteRow(-1);
    if (more) more.hidden = true;
  }

  function missed(count) {
    lost += count;
    say(`Live. ${lost}${isMore ? " or more" : ""} calls came too fast to be shown here; they are in the log.`);
  }

  function came(rows) {
    waiting.push(...rows);
    const over = waiting.length - ROWS_MAX;
    if (over > 0) {
      waiting.splice(0, over);
      missed(over);
    }
    if (!reads() || !more) { put(); return; }
    more.hidden = false;
    more.textContent = `${waiting.length} new ${waiting.length === 1 ? "call" : "calls"}`;
  }

  more?.addEventListener("click", () => { put(); scrollTo({ top: 0 }); });
  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Go on" : "Pause the view";
      if (!paused) put();
    });
  }

  const source = new EventSource(body.dataset.events);
  source.addEventListener("open", () => (lost || isMore ? missed(0) : say("Live")));
  source.addEventListener("error", () => say("Not connected: what is shown may be old. Trying again."));
  source.addEventListener("call", (event) => {
    const table = parse(`<table><tbody>${event.data}</tbody></table>`);
    came([...table.querySelectorAll("tr")]);
  });
  source.addEventListener("lost", (event) => {
    isMore ||= event.data.endsWith("+");
    missed(parseInt(event.data, 10));
  });
}
