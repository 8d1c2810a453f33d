// The text of the policy: a plain field with line numbers and marks. The field knows only LF; the real text keeps its author's line
// ends, and what is typed is put into it by difference.

import { el, UNSEEN } from "./builder_fields.js";

/** Where a place of the real text is in the field. */
function toShown(real, at) {
  if (!real.includes("\r")) return at;
  let shown = 0;
  for (let i = 0; i < at; i += 1) if (!(real[i] === "\r" && real[i + 1] === "\n")) shown += 1;
  return shown;
}

/** Where a place of the field is in the real text. */
function toReal(real, at) {
  if (!real.includes("\r")) return at;
  let i = 0;
  for (let shown = 0; shown < at && i < real.length; shown += 1) i += real[i] === "\r" && real[i + 1] === "\n" ? 2 : 1;
  return i;
}

const plain = (text) => (text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text);

/** The part in which two texts differ: [start, end in a, end in b]. */
export function difference(a, b) {
  let start = 0;
  const most = Math.min(a.length, b.length);
  while (start < most && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  return [start, a.length - end, b.length - end];
}

export function makeText(field, holder, onTyped) {
  let real = field.value;
  let lines = 0;
  const [gutter, under] = ["code-lines", "code-under"].map((name) => el("div", { class: name, "aria-hidden": "true" }, el("pre")));
  holder.classList.add("live");
  holder.prepend(gutter, under);

  function number() {
    const count = field.value.split("\n").length;
    if (count === lines) return;
    lines = count;
    gutter.firstChild.textContent = Array.from({ length: count }, (_, i) => i + 1).join("\n");
  }

  function follow() {
    gutter.scrollTop = field.scrollTop;
    under.scrollTop = field.scrollTop;
    under.scrollLeft = field.scrollLeft;
  }

  // What has no width is left out below the field, where nobody could tell that it is there.
  const bare = (from, to) => field.value.slice(from, to).replace(UNSEEN, "");

  /** Draws what is underlined: pieces of the text in order, none inside another. */
  function draw(pieces) {
    const parts = [];
    let at = 0;
    for (const piece of [...pieces].sort((a, b) => a.start - b.start)) {
      const [start, end] = [toShown(real, piece.start), toShown(real, piece.end)];
      if (start < at) continue;
      parts.push(bare(at, start), el("span", { class: piece.kind }, bare(start, Math.max(end, start + 1))));
      at = Math.max(end, start + 1);
    }
    parts.push(bare(at), "\n ");
    under.firstChild.replaceChildren(...parts);
    follow();
  }

  function typed() {
    const before = plain(real);
    const [start, endBefore, endNow] = difference(before, field.value);
    let put = field.value.slice(start, endNow);
    if (real.includes("\r\n")) put = put.replaceAll("\n", "\r\n");
    real = real.slice(0, toReal(real, start)) + put + real.slice(toReal(real, endBefore));
    number();
    draw([]);
    onTyped();
  }

  field.addEventListener("input", typed);
  field.addEventListener("scroll", follow);
  // Tab leaves the field, as everywhere; two spaces come by themselves on a new line.
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || field.readOnly) return;
    const before = field.value.slice(0, field.selectionStart);
    const indent = /[ \t]*/.exec(before.slice(before.lastIndexOf("\n") + 1))[0];
    const deeper = /[{[]\s*$/.test(before) ? "  " : "";
    event.preventDefault();
    field.setRangeText(`\n${indent}${deeper}`, field.selectionStart, field.selectionEnd, "end");
    typed();
  });
  number();

  return {
    get text() { return real; },
    /** Puts another text, and shows where it differs. */
    set(text, show) {
      const before = real;
      real = text;
      const top = field.scrollTop;
      field.value = plain(text);
      number();
      field.scrollTop = top;
      if (show && before !== text) {
        const [start, , end] = difference(before, text);
        this.reveal(start);
        draw([{ start, end, kind: "changed" }]);
      } else draw([]);
    },
    mark: draw,
    /** Scrolls to a place without taking the focus. */
    reveal(at) {
      const line = field.value.slice(0, toShown(real, at)).split("\n").length;
      const height = parseFloat(getComputedStyle(field).lineHeight) || 20;
      const wanted = (line - 1) * height;
      if (wanted < field.scrollTop || wanted > field.scrollTop + field.clientHeight - 2 * height) {
        field.scrollTop = Math.max(0, wanted - field.clientHeight / 3);
      }
      follow();
    },
    /** Goes to a place: the focus and the selection with it. */
    go(start, end) {
      this.reveal(start);
      field.focus({ preventScroll: false });
      field.setSelectionRange(toShown(real, start), toShown(real, end));
    },
  };
}
