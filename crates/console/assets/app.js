// What every page has: times that stay true, buttons that copy, and keys that lead
// to other pages. Nothing here is needed to read a page or to decide.

const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function span(seconds) {
  const [size, word] = units.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${word}`;
}

export function relative(date, now) {
  const apart = Math.floor((now - date) / 1000);
  if (apart < 0) return `in ${span(-apart)}`;
  return apart < 5 ? "just now" : `${span(apart)} ago`;
}

// The server's clock decides: ours may be wrong. The page says what it was when it was made.
function keepTimes() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[title]")) {
    const words = relative(new Date(time.dateTime), now);
    if (time.textContent !== words) time.textContent = words;
  }
}

async function copyFrom(button) {
  const source = document.getElementById(button.dataset.copy);
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.textContent);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 2000);
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (button) copyFrom(button);
});

// A form of filters is sent as soon as a choice is made.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-at-once]");
  if (form && event.target.matches("select, input[type=checkbox], input[type=radio]")) form.requestSubmit();
});

// `g` and then a letter, as in many tools; never while somebody types.
const places = { o: "/", a: "/approvals", t: "/activity", s: "/servers", p: "/policies", g: "/grants" };
const sheet = document.getElementById("shortcuts");
let led = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (event.key === "?" && sheet && !sheet.open) return sheet.showModal();
  if (event.key === "g" && Date.now() - led > 1000) { led = Date.now(); return; }
  if (Date.now() - led < 1000 && places[event.key]) {
    led = 0;
    location.assign(places[event.key]);
  }
});

export function typing(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}

for (const button of document.querySelectorAll("button[data-copy], #show-shortcuts")) button.hidden = false;
document.getElementById("show-shortcuts")?.addEventListener("click", () => sheet.showModal());
setInterval(keepTimes, 5000);
