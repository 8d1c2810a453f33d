// The live end of Activity and of the overview: new calls wait behind a button while somebody reads, and come by themselves
// while nobody does. Pausing stops the view, never the traffic.

import { parse } from "./swap.js";

const ROWS_MAX = 300;
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

function watch(body) {
  const more = document.getElementById("live-more");
  const pause = document.getElementById("live-pause");
  const state = document.getElementById("live-state");
  let waiting = [];
  let paused = false;
  let lost = 0;

  const reads = () => paused || body.matches(":hover") || body.contains(document.activeElement) || scrollY > 200;
  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  function put() {
    const rows = waiting.splice(0);
    for (const row of rows) body.prepend(row);
    while (body.rows.length > (Number(body.dataset.rows) || ROWS_MAX)) body.deleteRow(-1);
    if (more) more.hidden = true;
  }

  function came(rows) {
    waiting.push(...rows);
    if (waiting.length > ROWS_MAX) waiting.splice(0, waiting.length - ROWS_MAX);
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
  source.addEventListener("open", () => say("Live"));
  source.addEventListener("error", () => say("Not connected: what is shown may be old. Trying again."));
  source.addEventListener("call", (event) => {
    const table = parse(`<table><tbody>${event.data}</tbody></table>`);
    came([...table.querySelectorAll("tr")]);
  });
  source.addEventListener("lost", (event) => {
    lost += Number(event.data);
    say(`Live. ${lost} calls came too fast to be shown here; they are in the log.`);
  });
}
