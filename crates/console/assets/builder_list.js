// The list at the left: the tools of the server, or the other entries of the policy, a hundred at a time; the server looks for them.
// One stop of the tab key; arrows move, space chooses.

import { badge, el, select } from "./builder_fields.js";

const PAGE = 100;
const WAIT_TYPED = 200;
const EFFECTS = { allow: ["allow", "Allow"], deny: ["deny", "Deny"], hide: ["neutral", "Hide"], unlisted: ["neutral", "Not listed"], approve: ["hold", "Approve"], custom: ["observe", "Custom"] };
const keyOf = (block) => `${block.section}/${block.selector ?? ""}`;

/** `on.chosen()` and `on.find()` ask the server anew; `on.all()` gives the blocks of all rows that fit; `on.enter()` goes to the rules. */
export function makeList(panel, noTools, on) {
  let kind = noTools ? "others" : "tools";
  let found = { rows: [], from: 0, count: 0, of: 0 };
  let from = 0;
  let active = 0;
  let anchor = 0;
  let timer = 0;
  // Whether the rows are those of an older question; a key that comes meanwhile waits for the answer.
  let stale = false;
  let waiting = null;
  const chosen = new Map();

  const search = el("input", { type: "search", id: "tool-search", placeholder: "Search by name" });
  const choice = (id, label, words) => select([["", label], ...words.map((word) => (Array.isArray(word) ? word : [word, word]))], "", { id, "aria-label": label, onchange: () => ask() });
  const sort = choice("tool-class", "Any class", ["read", "write", "execute", "destructive", "financial", "unknown"]);
  const risk = choice("tool-risk", "Any risk", ["low", "medium", "high", "critical", "unknown"]);
  const effect = choice("tool-effect", "Any verdict", Object.entries(EFFECTS).map(([name, [, word]]) => [name, word]));
  const button = (word, onclick, attributes) => el("button", { class: "tiny", onclick, ...attributes }, word);
  const tabs = el("div", { class: "line", role: "group", "aria-label": "What is listed" }, [["tools", "Tools"], ["others", "Other entries"]].map(([name, word]) => button(word, () => { kind = name; ask(); }, { "data-kind": name })));
  const all = button("Select all shown", async () => { for (const block of await on.all()) chosen.set(keyOf(block), block); told(); }, { id: "choose-all" });
  const none = button("Select none", () => { chosen.clear(); told(); }, { class: "tiny quiet", id: "choose-none" });
  const back = button("Before", () => ask(from - PAGE), { id: "list-back" });
  const on_ = button("Next", () => ask(from + PAGE), { id: "list-next" });
  const pages = el("div", { class: "line" }, back, el("span", { class: "small num", id: "list-place" }), on_);
  const list = el("div", { class: "rows", role: "listbox", id: "tool-list", tabindex: "0", "aria-multiselectable": "true", "aria-labelledby": "tools-title" });
  const empty = el("p", { class: "muted", hidden: true });
  const count = document.getElementById("tools-count");
  panel.append(el("div", { class: "panel-body" }, tabs, el("label", { class: "away", for: "tool-search" }, "Search by name"), search, el("div", { class: "builder-facets" }, sort, risk, effect), el("div", { class: "line" }, all, none), pages, empty), list);

  function ask(first = 0) {
    clearTimeout(timer);
    timer = 0;
    stale = true;
    from = Math.max(0, first);
    active = anchor = 0;
    list.scrollTop = 0;
    on.find();
  }

  function row(item, index) {
    const isChosen = chosen.has(keyOf(item.block));
    const label = item.block.selector ?? "Every tool (all_tools)";
    return el("div", { class: index === active ? "row active" : "row", role: "option", id: `row-${index}`, "aria-selected": String(isChosen), "aria-setsize": found.count, "aria-posinset": found.from + index + 1, "data-index": index },
      el("span", { class: "tick", "aria-hidden": "true" }, isChosen ? "✓" : ""),
      el("span", { class: "name", title: label }, label),
      el("span", { class: "tag" }, kind === "tools" ? item.risk ?? item.class ?? "unknown" : item.block.section),
      item.quarantined ? el("span", { class: "tag" }, "kept out") : null,
      item.effect ? badge(...EFFECTS[item.effect]) : null);
  }

  function draw() {
    const { rows } = found;
    active = Math.max(0, Math.min(active, rows.length - 1));
    list.replaceChildren(...rows.map(row));
    list.hidden = !rows.length;
    empty.hidden = rows.length > 0;
    empty.textContent = found.of ? "Nothing fits this filter." : kind === "tools" ? "No tools are known of this server yet." : "No other entries: patterns, classes, resources and prompts stand here.";
    if (rows.length) list.setAttribute("aria-activedescendant", `row-${active}`);
    else list.removeAttribute("aria-activedescendant");
    const text = `${found.count} shown, ${chosen.size} selected`;
    if (count.textContent !== text) count.textContent = text;
    pages.hidden = found.count <= PAGE;
    back.disabled = found.from === 0;
    on_.disabled = found.from + PAGE >= found.count;
    document.getElementById("list-place").textContent = `${found.from + 1}–${found.from + rows.length} of ${found.count}`;
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.kind === kind));
    for (const control of [sort, risk]) control.hidden = kind !== "tools";
  }

  const told = () => { draw(); on.chosen(); };
  const block = () => found.rows[active].block;
  function only() { chosen.clear(); chosen.set(keyOf(block()), block()); anchor = active; }
  function toggle() { if (!chosen.delete(keyOf(block()))) chosen.set(keyOf(block()), block()); anchor = active; }
  function range() { for (const item of found.rows.slice(Math.min(anchor, active), Math.max(anchor, active) + 1)) chosen.set(keyOf(item.block), item.block); }

  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    active = Number(option.dataset.index);
    if (event.shiftKey) range();
    else if (event.ctrlKey || event.metaKey || event.target.closest(".tick")) toggle();
    else only();
    told();
  });
  function press(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -PAGE, End: PAGE };
    const every = (event.ctrlKey || event.metaKey) && event.key === "a";
    if (!(stale || timer || found.rows.length) || !(event.key in steps || event.key === " " || event.key === "Enter" || every)) return;
    event.preventDefault();
    if (timer) ask();
    if (stale) { waiting = event; return; }
    if (every) { all.click(); return; }
    if (event.key === " ") toggle();
    else if (event.key === "Enter") { only(); on.enter(); } else {
      active = Math.max(0, Math.min(found.rows.length - 1, active + steps[event.key]));
      draw();
      list.children[active].scrollIntoView({ block: "nearest" });
      if (!event.shiftKey) return;
      range();
    }
    told();
  }
  list.addEventListener("keydown", press);
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => ask(), WAIT_TYPED); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); list.focus(); }
    if (event.key === "Enter") { event.preventDefault(); ask(); }
  });
  draw();

  return {
    get find() { return { kind, words: search.value, class: kind === "tools" ? sort.value : "", risk: kind === "tools" ? risk.value : "", effect: effect.value, from }; },
    get chosen() { return [...chosen.values()]; },
    update(looked) {
      [found, from, stale] = [looked, looked.from, false];
      draw();
      const event = waiting;
      waiting = null;
      if (event && found.rows.length) press(event);
    },
    choose(wanted) {
      chosen.clear();
      chosen.set(keyOf(wanted), wanted);
      told();
    },
  };
}
