// The list at the left: the tools of the server, or the other entries of the policy. Only the rows that are seen are in the
// page, so that ten thousand are as quick as ten. One stop of the tab key; arrows move, space chooses.

import { badge, el } from "./builder_fields.js";

const ROW = 34;
const EFFECTS = { a: ["allow", "Allow"], d: ["deny", "Deny"], h: ["neutral", "Hide"], u: ["neutral", "Not listed"], p: ["hold", "Approve"], c: ["observe", "Custom"] };
const VERDICTS = { allow: "a", deny: "d", hide: "h", approve: "p", custom: "c" };
const keyOf = (block) => `${block.section}/${block.selector ?? ""}`;

export function makeList(panel, tools, onChosen, onEnter) {
  const kinds = [["tools", `Tools (${tools.length})`], ["others", "Other entries"]];
  let kind = tools.length ? "tools" : "others";
  let effects = "";
  let others = [];
  let items = [];
  let shown = [];
  let active = 0;
  let anchor = 0;
  const chosen = new Map();

  const search = el("input", { type: "search", id: "tool-search", placeholder: "Search by name" });
  const choice = (id, label, words) => el("select", { id, "aria-label": label }, el("option", { value: "" }, label), words.map(([value, word]) => el("option", { value }, word)));
  const risk = choice("tool-risk", "Any risk", ["low", "medium", "high", "critical", "unknown"].map((word) => [word, word]));
  const sort = choice("tool-class", "Any class", ["read", "write", "execute", "destructive", "financial", "unknown"].map((word) => [word, word]));
  const effect = choice("tool-effect", "Any verdict", Object.entries(EFFECTS).map(([letter, [, word]]) => [letter, word]));
  const tabs = el("div", { class: "line", role: "group", "aria-label": "What is listed" }, kinds.map(([name, word]) => el("button", { class: "tiny", "data-kind": name }, word)));
  const all = el("button", { class: "tiny", id: "choose-all" }, "Select all shown");
  const none = el("button", { class: "tiny quiet", id: "choose-none" }, "Select none");
  const rows = el("div", { class: "rows-inner" });
  const list = el("div", { class: "rows", role: "listbox", id: "tool-list", tabindex: "0", "aria-multiselectable": "true", "aria-labelledby": "tools-title" }, rows);
  const empty = el("p", { class: "muted", hidden: true }, "Nothing fits this filter.");
  const count = document.getElementById("tools-count");
  panel.append(el("div", { class: "panel-body" }, tabs, el("label", { class: "away", for: "tool-search" }, "Search by name"), search, el("div", { class: "builder-facets" }, sort, risk, effect), el("div", { class: "line" }, all, none), empty), list);

  function collect() {
    items = kind === "tools"
      ? tools.map((tool, index) => ({ ...tool, effect: effects[index] ?? "u", block: { section: "tools", selector: tool.name }, label: tool.name }))
      : others.map(({ block, verdict }) => ({ block, effect: VERDICTS[verdict], label: block.section === "all_tools" ? "Every tool (all_tools)" : block.selector, section: block.section }));
  }

  function filter() {
    collect();
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = items.filter((item) => words.every((word) => item.label.toLowerCase().includes(word))
      && (!effect.value || item.effect === effect.value)
      && (kind !== "tools" || !risk.value || (item.risk ?? "unknown") === risk.value)
      && (kind !== "tools" || !sort.value || (item.class ?? "unknown") === sort.value));
    active = Math.max(0, Math.min(active, shown.length - 1));
    rows.style.height = `${shown.length * ROW}px`;
    empty.hidden = shown.length > 0;
    list.hidden = !shown.length;
    empty.textContent = items.length ? "Nothing fits this filter." : kind === "tools" ? "No tools are known of this server yet." : "No other entries: patterns, classes, resources and prompts stand here.";
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.kind === kind));
    for (const select of [sort, risk]) select.hidden = kind !== "tools";
    draw();
  }

  function row(item, index) {
    const isChosen = chosen.has(keyOf(item.block));
    const option = el("div", { class: "row", role: "option", id: `row-${index}`, "aria-selected": String(isChosen), "aria-setsize": String(shown.length), "aria-posinset": String(index + 1), "data-index": String(index) },
      el("span", { class: "tick", "aria-hidden": "true" }, isChosen ? "✓" : ""),
      el("span", { class: "name", title: item.label }, item.label),
      kind === "tools" ? el("span", { class: "tag" }, item.risk ?? item.class ?? "unknown") : el("span", { class: "tag" }, item.section),
      item.quarantined ? el("span", { class: "tag" }, "kept out") : null,
      badge(...EFFECTS[item.effect]));
    option.style.transform = `translateY(${index * ROW}px)`;
    if (index === active) option.classList.add("active");
    return option;
  }

  function draw() {
    const from = Math.max(0, Math.floor(list.scrollTop / ROW) - 8);
    const to = Math.min(shown.length, from + Math.ceil((list.clientHeight || 600) / ROW) + 16);
    const drawn = [];
    for (let index = from; index < to; index += 1) drawn.push(row(shown[index], index));
    rows.replaceChildren(...drawn);
    if (shown.length && active >= from && active < to) list.setAttribute("aria-activedescendant", `row-${active}`);
    else list.removeAttribute("aria-activedescendant");
    const text = `${shown.length} shown, ${chosen.size} selected`;
    if (count.textContent !== text) count.textContent = text;
  }

  function reveal() {
    const top = active * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  }

  const told = () => onChosen([...chosen.values()]);
  function only(item) { chosen.clear(); chosen.set(keyOf(item.block), item.block); }
  function toggle(item) { if (!chosen.delete(keyOf(item.block))) chosen.set(keyOf(item.block), item.block); }
  function range(a, b) { for (let i = Math.min(a, b); i <= Math.max(a, b); i += 1) chosen.set(keyOf(shown[i].block), shown[i].block); }

  list.addEventListener("scroll", draw);
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    active = Number(option.dataset.index);
    if (event.shiftKey) range(anchor, active);
    else if (event.ctrlKey || event.metaKey || event.target.closest(".tick")) { toggle(shown[active]); anchor = active; } else { only(shown[active]); anchor = active; }
    draw();
    told();
  });
  list.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -shown.length, End: shown.length };
    const select = (event.ctrlKey || event.metaKey) && event.key === "a";
    if (!shown.length || !(event.key in steps || event.key === " " || event.key === "Enter" || select)) return;
    event.preventDefault();
    if (select) { for (const item of shown) chosen.set(keyOf(item.block), item.block); told(); } else if (event.key === " ") { toggle(shown[active]); anchor = active; told(); } else if (event.key === "Enter") { only(shown[active]); anchor = active; told(); onEnter(); } else {
      active = Math.max(0, Math.min(shown.length - 1, active + steps[event.key]));
      if (event.shiftKey) { range(anchor, active); told(); }
      reveal();
    }
    draw();
  });
  search.addEventListener("input", () => { list.scrollTop = 0; filter(); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); list.focus(); }
    if (event.key === "Enter") event.preventDefault();
  });
  for (const select of [sort, risk, effect]) select.addEventListener("change", () => { list.scrollTop = 0; filter(); });
  tabs.addEventListener("click", (event) => { if (event.target.dataset.kind) { kind = event.target.dataset.kind; list.scrollTop = 0; filter(); } });
  all.addEventListener("click", () => { for (const item of shown) chosen.set(keyOf(item.block), item.block); draw(); told(); });
  none.addEventListener("click", () => { chosen.clear(); draw(); told(); });
  new ResizeObserver(draw).observe(list);
  filter();

  return {
    update(form) { effects = form.effects; others = form.patterns; filter(); },
    choose(block) {
      chosen.clear();
      chosen.set(keyOf(block), block);
      kind = block.section === "tools" && tools.some((tool) => tool.name === block.selector) ? "tools" : "others";
      filter();
      const index = shown.findIndex((item) => keyOf(item.block) === keyOf(block));
      if (index >= 0) { active = index; reveal(); draw(); }
      told();
    },
    get chosen() { return [...chosen.values()]; },
  };
}
