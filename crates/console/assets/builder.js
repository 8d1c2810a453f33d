// The policy builder. The text is the policy; the list and the rules are made from what the server says of it, and a change of them
// is an edit that the server applies to the text: one engine, over there.

import { typing } from "./app.js";
import { el } from "./builder_fields.js";
import { makeList } from "./builder_list.js";
import { makeRules } from "./builder_rules.js";
import { makeText } from "./builder_text.js";

const WAIT_TYPED = 300;
const WAIT_WARNINGS = 500;
const UNDO_MAX = 200;
const UNDO_CHARS_MAX = 16_000_000;

const root = document.getElementById("builder");
if (root) begin(root).catch((error) => say(`The builder could not begin: ${error.message}. The text can be changed as it is.`, "bad"));

function say(text, kind = "info") {
  let notice = document.getElementById("builder-said");
  if (!notice) {
    notice = el("p", { id: "builder-said", role: "status" });
    root.before(notice);
  }
  notice.className = `notice ${kind}`;
  notice.textContent = text;
  notice.hidden = !text;
}

async function begin(root) {
  const { address, server, base, csrf, tool } = root.dataset;
  const edits = "edits" in root.dataset;
  const answer = await fetch(`${address}/begin`, { credentials: "same-origin", redirect: "error" });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const begun = await answer.json();

  const field = document.getElementById("text");
  const state = document.getElementById("unsaved-state");
  const marks = document.getElementById("marks");
  const saved = begun.text;
  const asBegun = state?.textContent;
  let kept = false;
  let leaves = false;
  let undo = [];
  let redo = [];
  let last = begun.text;
  let lastTyped = 0;
  let found = { problems: [], lints: [] };
  let timer = 0;
  let turn = 0;
  let busy = false;

  const editor = makeText(field, document.getElementById("code-edit"), () => {
    remember(Date.now() - lastTyped < 1000);
    lastTyped = Date.now();
    changed();
    later(WAIT_TYPED);
  });
  editor.set(begun.text, false);

  // --- Asking ------------------------------------------------------------------------------------

  async function ask(more) {
    const body = { server: server || null, text: editor.text, selected: list.chosen, find: list.find, ...more };
    kept ||= editor.text !== saved || "edit" in more || "recommended" in more;
    if (edits && kept) body.keep = Number(base);
    const answer = await fetch(`${address}/look`, {
      method: "POST", credentials: "same-origin", redirect: "error",
      headers: { "Content-Type": "application/json", "X-Portcullis-CSRF": csrf }, body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error((answer.headers.get("Content-Type") ?? "").startsWith("text/plain") ? await answer.text() : `the server answers ${answer.status}`);
    return { ...(await answer.json()), chosen: body.selected };
  }

  /** Looks at the text as it is; an answer that was overtaken is dropped. */
  async function look(warnings) {
    const own = (turn += 1);
    try {
      const looked = await ask({ warnings });
      if (own === turn && !busy) show(looked);
    } catch (error) {
      if (own === turn) say(`Not checked: ${error.message}. Are you still signed in? Your text is still here.`, "warn");
    }
  }

  function later(wait) {
    clearTimeout(timer);
    timer = setTimeout(() => { timer = 0; look(true); }, wait);
  }

  /** One change by fields: while it is under way nothing else is. */
  async function change(asked, choose) {
    if (!edits || busy) return;
    busy = true;
    turn += 1;
    clearTimeout(timer);
    timer = 0;
    field.readOnly = true;
    try {
      const looked = await ask(asked);
      busy = false;
      if (looked.text !== null) {
        editor.set(looked.text, true);
        remember(false);
        changed();
      }
      show(looked);
      if (looked.refused) say([`Nothing was changed: ${looked.refused.message}.`, ...looked.refused.places].join(" "), "warn");
      else say(looked.told ?? "");
      if (choose && !looked.refused) list.choose(choose);
      later(WAIT_WARNINGS);
    } catch (error) {
      say(`Nothing was changed: ${error.message}`, "bad");
    } finally {
      busy = false;
      field.readOnly = !edits;
    }
  }

  // --- Showing -----------------------------------------------------------------------------------

  const go = (place) => editor.go(place.start, place.end);
  const list = makeList(document.getElementById("builder-tools"), !server, {
    chosen: () => { rules.forget(); look(false); },
    find: () => look(false),
    all: () => ask({ find: { ...list.find, all: true } }).then((looked) => looked.found.all, (error) => { say(error.message, "warn"); return []; }),
    enter: () => document.getElementById("rules-title").focus(),
  });
  const rules = makeRules(document.getElementById("rules"), edits, {
    send: (edit, choose) => change({ edit }, choose),
    recommend: (tools) => change({ recommended: tools }),
    go,
    choose: (block) => list.choose(block),
  });

  function show(looked) {
    const { form } = looked;
    found.problems = looked.problems;
    if (looked.lints || looked.problems.length) found.lints = looked.lints ?? [];
    list.update(looked.found);
    const odd = looked.unseen.map((one) => el("li", {}, el("button", { class: "link", onclick: () => go(one) }, `Line ${one.line}`), `: ${one.characters}`));
    document.getElementById("unseen").replaceChildren(...(odd.length ? [el("div", { class: "notice warn" }, el("strong", {}, "Characters that nobody sees stand in the text"), el("ul", {}, odd))] : []));
    rules.show(form, looked.chosen, [...found.problems, ...found.lints], found.problems.length > 0);
    showMarks(looked.text === null);
  }

  function showMarks(draws) {
    const part = (title, kind, all) => (all.length ? [el("h3", {}, `${title} (${all.length})`), el("ul", { class: "marks" }, all.map((mark) => el("li", { class: `notice ${kind}` },
      el("button", { class: "link", onclick: () => go(mark) }, `Line ${mark.line}, column ${mark.column}`), el("span", { class: "wrap-any" }, `${mark.code ? `${mark.code} ` : ""}${mark.message}${mark.help ? `; ${mark.help}` : ""}`))))] : []);
    const parts = [...part("Errors", "bad", found.problems), ...part("Warnings", "warn", found.lints)];
    marks.replaceChildren(...(parts.length ? parts : [el("p", { class: "muted" }, "No errors and no warnings.")]));
    if (draws) editor.mark([...found.problems.map((mark) => ({ ...mark, kind: "error" })), ...found.lints.map((mark) => ({ ...mark, kind: "warning" }))]);
  }

  // --- Undo, and what is not saved -----------------------------------------------------------------

  function remember(joins) {
    if (editor.text === last) return;
    if (!joins || !undo.length) undo.push(last);
    let chars = undo.reduce((sum, text) => sum + text.length, 0);
    while (undo.length > UNDO_MAX || (chars > UNDO_CHARS_MAX && undo.length > 1)) chars -= undo.shift().length;
    redo = [];
    last = editor.text;
  }

  function step(from, to) {
    if (!from.length || busy || !edits) return;
    to.push(editor.text);
    last = from.pop();
    lastTyped = 0;
    editor.set(last, true);
    changed();
    look(true);
  }

  function changed() {
    undoButton.disabled = !undo.length;
    redoButton.disabled = !redo.length;
    if (!state) return;
    const isNew = editor.text !== saved;
    state.textContent = isNew ? "Not saved as a version. Your text is kept as you go on." : asBegun;
    document.getElementById("unsaved").classList.toggle("is-changed", isNew);
  }

  const undoButton = el("button", { class: "tiny", id: "undo", title: "Ctrl+Z", onclick: () => step(undo, redo) }, "Undo");
  const redoButton = el("button", { class: "tiny", id: "redo", title: "Ctrl+Shift+Z", onclick: () => step(redo, undo) }, "Redo");
  const whole = el("button", { class: "tiny quiet", onclick: () => document.getElementById("choose-none").click() }, "Whole policy");
  if (edits) document.getElementById("text-tools").append(undoButton, redoButton);
  document.querySelector("#builder-rules .panel-head").append(whole);
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const isUndo = (event.ctrlKey || event.metaKey) && !event.altKey && (key === "z" || key === "y");
    // Fields of rules have their own undo while somebody types in them.
    if (isUndo && edits && (event.target === field || !typing(event.target))) {
      event.preventDefault();
      if (key === "y" || event.shiftKey) step(redo, undo); else step(undo, redo);
    }
    if (event.key === "/" && !typing(event.target)) { event.preventDefault(); document.getElementById("tool-search").focus(); }
  });
  document.getElementById("check")?.addEventListener("click", (event) => { event.preventDefault(); look(true); });
  document.getElementById("text-form")?.addEventListener("submit", () => { leaves = true; });
  addEventListener("beforeunload", (event) => { if ((busy || timer) && editor.text !== saved && !leaves) event.preventDefault(); });

  for (const id of ["builder-tools", "builder-rules"]) document.getElementById(id).hidden = false;
  root.classList.add("live");
  changed();
  if (tool) list.choose({ section: "tools", selector: tool });
  await look(true);
}
