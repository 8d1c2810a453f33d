// The middle: what the policy says of the selected tools, as fields. Every change is an edit that the server applies to the text.

import { conditionFields, el, field, select } from "./builder_fields.js";

const WINDOWS = ["second", "minute", "hour", "day", "week", "month", "in_flight"];
const FACTS = ["tool.name", "tool.class", "tool.risk", "grant.label", "grant.tags.", "client.name", "client.version", "now.hour", "now.weekday"];
const ACTIONS = [["allow", "Allow"], ["deny", "Deny"], ["hide", "Hide"], ["approve", "Approve"], ["custom", "Custom"]];
const EFFECTS = { allow: "Every call passes.", deny: "Every call is denied.", hide: "The agent never sees it.", unlisted: "Not listed: the agent does not see it, and calls are denied.", approve: "Every call needs a person.", custom: "It depends on the rules." };
const line = (...parts) => el("div", { class: "line" }, parts);
const row = (...parts) => el("div", { class: "form-row" }, parts);
const part = (title, ...parts) => el("section", { class: "stack-tight", "aria-label": title }, el("h3", {}, title), parts);
const more = (title, open, ...parts) => el("details", { class: "more", open }, el("summary", {}, title), parts);
const pick = (words, value, done) => select(words, value, { onchange: (event) => done(event.target.value) });
const DECIMAL = { inputmode: "decimal" };
const NUMERIC = { inputmode: "numeric" };
const ASK = "Requires human approval.";
const emptyRule = { id: null, conditions: [], on_deny: null, approval: null };

/** `send(edit)` changes the text; `go(place)` shows a place of it; `choose(block)` selects another block. */
export function makeRules(root, edits, { send, recommend, go, choose }) {
  let drafts = {};
  const button = (word, onclick, attributes = {}) => el("button", { class: "tiny", onclick, ...attributes }, word);
  const link = (word, onclick) => el("button", { class: "link small", onclick }, word);
  const place = (at) => link(`Line ${at.line}`, () => go(at));
  const orNull = (text) => (text.trim() === "" ? null : text);
  const typed = (name, more) => (label, value, done, attributes) => field(label, el(name, { value: value ?? "", onchange: (event) => done(orNull(event.target.value)), ...more, ...attributes }));
  const text = typed("input");
  const long = typed("textarea", { rows: 2 });

  function opaque(part, words) {
    return el("div", { class: "opaque" }, el("p", {}, words), el("details", {}, el("summary", {}, "Its text"), el("pre", { class: "wrap" }, part.text)), el("p", { class: "hint small" }, "The fields cannot show this: change it in the text. ", place(part.place)));
  }

  const within = (marks, pointer) => marks.filter((mark) => mark.pointer === pointer || mark.pointer.startsWith(`${pointer}/`));

  function marksOf(marks, pointer) {
    return within(marks, pointer).map((mark) => el("p", { class: `notice ${mark.code ? "warn" : "bad"} small` }, `${mark.code ? `${mark.code} ` : ""}${mark.message}${mark.help ? `; ${mark.help}` : ""} `, link(`Line ${mark.line}`, () => go(mark))));
  }

  /** What has errors or warnings is underlined as its place in the text is. */
  function lined(marks, pointer, name = "rule") {
    const own = within(marks, pointer);
    return own.length ? `${name} ${own.every((mark) => mark.code) ? "doubted" : "marked"}` : name;
  }

  // --- One block ---------------------------------------------------------------------------------

  function actions(block, verdict, name) {
    const set = (action) => {
      if (action === "custom") drafts["new-require"] = true;
      send({ set_action: { blocks: [block], action: action === "custom" ? "allow" : action } });
    };
    return el("fieldset", { class: "choices actions-of" }, el("legend", { class: "away" }, "What becomes of calls"),
      ACTIONS.map(([value, word]) => el("label", { class: "check" }, el("input", { type: "radio", name, value, id: `action-${value}`, checked: verdict === value, onchange: () => set(value) }), word)));
  }

  function approval(rule, list) {
    const asks = rule.approval ? ("terms" in rule.approval ? "terms" : String(rule.approval.switch)) : "";
    const usual = list === "deny_if" && !rule.conditions.length ? "As usual: a person may approve" : "As usual: final";
    const words = [["", usual], ["true", "A person may approve"], ["false", "Final: nobody may approve"]];
    if (asks === "terms") words.push(["terms", "A person may approve, with terms"]);
    return [asks, words];
  }

  function rule(block, list, index, at, shown) {
    const where = { block, list, rule: index };
    const [asks, words] = approval(at, list);
    const terms = at.approval?.terms;
    const setTerms = (change) => send({ set_rule_approval: { ...where, approval: { terms: { ...terms, ...change } } } });
    const seconds = (label, key) => text(label, terms[key], (value) => setTerms({ [key]: value && Number(value) }), NUMERIC);
    const key = `${list}${index}`;
    const conditions = at.conditions.map((condition, number) => ("opaque" in condition
      ? opaque(condition.opaque, condition.opaque.sentence)
      : el("div", { class: lined(shown.marks, `${at.place.pointer}/conditions/${number}`, "line-of") }, conditionFields(condition.test, shown.known, "known-paths", (changed) => send({ replace_condition: { ...where, index: number, condition: changed } })).element,
        button("Remove", () => send({ remove_condition: { ...where, index: number } }), { "aria-label": `Remove condition ${number + 1}` }))));
    return el("li", { class: lined(shown.marks, at.place.pointer) }, el("p", { class: "sentence" }, at.sentence), marksOf(shown.marks, at.place.pointer), conditions,
      drafts[key] ? draft(key, (condition) => send({ add_condition: { ...where, condition } }), shown) : null,
      line(button("Add a condition", () => { drafts[key] = true; shown.again(); }), place(at.place),
        button("Remove the rule", () => send({ remove_rule: where }), { class: "tiny danger" })),
      more("Message, approval, name", Boolean(at.on_deny || at.id || asks),
        row(
          long("Message when it refuses", at.on_deny, (on_deny) => send({ set_rule_message: { ...where, on_deny } })),
          field("Who may let a call pass", pick(words, asks, (value) => send({ set_rule_approval: { ...where, approval: value === "" ? null : { switch: value === "true" } } }))),
          text("Name (id)", at.id, (id) => send({ set_rule_id: { ...where, id } })),
          asks === "true" ? button("Set terms", () => send({ set_rule_approval: { ...where, approval: { terms: { expires_seconds: 3600 } } } })) : null,
          terms ? [seconds("A request lives (seconds)", "expires_seconds"), seconds("A call waits (seconds)", "wait_seconds"),
            text("Approvers", terms.approvers?.join(" "), (names) => setTerms({ approvers: names === null ? [] : names.split(/[\s,]+/).filter(Boolean) }), { placeholder: "role:approver" })] : null)));
  }

  /** Fields of a comparison that is not in the text yet. */
  function draft(key, add, shown, words = "Add it") {
    const first = shown.known.find((argument) => argument.required && argument.kind !== "object") ?? shown.known[0];
    const op = { number: "lte", integer: "lte", array: "count_lte", boolean: "eq" }[first?.kind] ?? "eq";
    const fields = conditionFields({ path: first?.path ?? "args.", op, value: "", if_missing: false }, shown.known, "known-paths");
    return el("div", { class: "draft" }, fields.element, line(
      button(words, () => {
        const read = fields.read();
        if (["", '""', "[]"].includes(read.test.value)) { fields.element.querySelector(".slot").firstChild.focus(); return; }
        delete drafts[key];
        add(read);
      }, { class: "tiny primary" }), button("Leave it", () => { delete drafts[key]; shown.again(); })));
  }

  function rules(block, list, title, hint, entry, shown) {
    const key = `new-${list}`;
    const add = (condition) => send({ add_rule: { blocks: [block], list, rule: { ...emptyRule, conditions: [condition] } } });
    return part(title, el("p", { class: "hint small" }, hint),
      el("ol", { class: "stack-tight" }, entry[list].map((at, index) => rule(block, list, index, at, shown))),
      drafts[key] ? draft(key, add, shown, "Add the rule") : line(button("Add a rule", () => { drafts[key] = true; shown.again(); }, { id: `add-${list}` }),
        list === "deny_if" ? button("Ask a person for every call", () => send({ add_rule: { blocks: [block], list, rule: { ...emptyRule, on_deny: ASK } } })) : null));
  }

  const windows = (words, at, done) => pick([...new Set([...words, at])].map((word) => [word, word === "in_flight" ? "running at once" : /^\d/.test(word) ? `${word} seconds` : word]).concat([["other", "so many seconds…"]]), at, (value) => done(value === "other" ? "60" : value));

  function limit(block, index, at, shown) {
    const { place: where, sentence, ...plain } = at;
    const set = (change) => send({ replace_limit: { block, index, limit: { ...plain, ...change } } });
    const counts = at.increment_from ? "from" : at.increment ? "units" : "calls";
    const numbers = shown.known.filter((argument) => ["number", "integer"].includes(argument.kind) && !argument.path.includes("[*]"));
    return el("li", { class: lined(shown.marks, where.pointer) }, el("p", { class: "sentence" }, sentence), marksOf(shown.marks, where.pointer),
      row(
        text("At most", at.max, (max) => max && set({ max }), DECIMAL),
        field("In each", windows(WINDOWS, at.window, (window) => set({ window }))),
        /^\d/.test(at.window) ? text("Seconds", at.window, (window) => window && set({ window }), NUMERIC) : null,
        field("For", pick([["", "each grant (usual)"], ["grant", "each grant"], ["session", "each session"], ["server", "the whole server"], ["organisation", "the organisation"]], at.scope ?? "", (value) => set({ scope: orNull(value) })))),
      more("What it counts, counter, message", counts !== "calls" || Boolean(at.counter || at.algorithm || at.on_deny),
        row(
          field("It counts", pick([["calls", "calls"], ["units", "units for each call"], ["from", "an amount of the call"]], counts, (value) => set({ increment: value === "units" ? "1" : null, increment_from: value === "from" ? (numbers[0]?.path ?? "args.amount") : null }))),
          counts === "units" ? text("Units", at.increment, (increment) => set({ increment }), DECIMAL) : null,
          counts === "from" ? text("Amount", at.increment_from, (increment_from) => set({ increment_from }), { list: "known-paths", class: "code" }) : null,
          text("Counter", at.counter, (counter) => set({ counter }), { placeholder: "its own" }),
          field("Window", pick([["", "fixed (usual)"], ["fixed", "fixed"], ["sliding", "sliding"]], at.algorithm ?? "", (value) => set({ algorithm: orNull(value) }))),
          long("Message when it refuses", at.on_deny, (on_deny) => set({ on_deny })))),
      line(place(where), button("Remove the limit", () => send({ remove_limit: { block, index } }), { class: "tiny danger" })));
  }

  function one(selected, form, shown) {
    const { block, entry, verdict } = selected;
    const { tool } = form;
    const isAll = block.section === "all_tools";
    const name = isAll ? "Every tool (all_tools)" : block.selector;
    const checks = ["tools", "all_tools"].includes(block.section);
    const hides = block.section === "tools" && form.hide.includes(block.selector);
    const parts = [el("div", { class: "stack-tight" }, el("h3", { class: "wrap-any" }, name), el("p", { class: "line" }, isAll || block.section !== "tools" ? el("span", { class: "tag" }, block.section) : null, tool ? el("span", {}, EFFECTS[tool.effect]) : null),
      tool?.description ? more("What its server says of it", false, el("p", { class: "wrap-any muted described" }, tool.description)) : null,
      tool?.also.length ? el("p", { class: "small line" }, "These apply as well: ", tool.also.map((also) => link(also.block.section === "all_tools" ? "all_tools" : also.block.selector, () => choose(also.block)))) : null)];
    if (tool?.unnameable) parts.push(el("p", { class: "notice warn" }, "No entry can name this tool alone: it begins with @ or holds a *. A glob reaches it."));
    if (hides) parts.push(el("p", { class: "notice warn" }, "`hide` names it, which wins over everything here. ", edits ? button("Stop hiding it", () => send({ unhide: [block.selector] })) : null));
    if (!isAll) parts.push(actions(block, verdict, "action"));
    if (!entry && !isAll) {
      parts.push(el("p", { class: "muted" }, form.default === "deny" ? "No entry names it by itself. Choose Allow, Approve or Custom to list it." : "No entry names it by itself; the default allows it."));
      if (block.section === "tools") parts.push(button("Use what is recommended", () => recommend([block.selector]), { class: "primary" }));
      return parts;
    }
    const at = entry ?? { require: [], deny_if: [], limits: [], rate_limit: null, validate: null, sentence: "Nothing is asked of every call." };
    parts.push(el("p", { class: "sentence" }, at.sentence, " ", at.place ? place(at.place) : null));
    if (at.place) parts.push(marksOf(shown.marks.filter((mark) => !/\/(require|deny_if|limits)\/\d/.test(mark.pointer)), at.place.pointer));
    const blocks = [block];
    const rate = at.rate_limit;
    parts.push(row(
      isAll || (verdict === "allow" || verdict === "custom") && !at.reason ? null : long("Message of the action", at.reason, (reason) => send({ set_reason: { blocks, reason } })),
      checks ? field("Arguments against the schema", pick([["", "Not compared (usual)"], ["off", "Not compared"], ["schema", "Must satisfy it"], ["strict", "Must satisfy it, and nothing else"]], at.validate ?? "", (value) => send({ set_validate: { blocks, mode: orNull(value) } }))) : null,
      text("Calls, at most", rate?.max, (max) => send({ set_rate_limit: { blocks, rate: max && { max, window: rate?.window ?? "minute" } } }), { ...DECIMAL, placeholder: "no bound" }),
      rate ? field("In each", windows(WINDOWS.slice(0, -1), rate.window, (window) => send({ set_rate_limit: { blocks, rate: { ...rate, window } } }))) : null));
    if (["deny", "hide"].includes(verdict) && at.require.length + at.deny_if.length + at.limits.length) parts.push(el("p", { class: "notice" }, "What follows is written but never reached."));
    parts.push(rules(block, "require", "Must hold", "Every one of these must be true, or the call is refused.", at, shown), rules(block, "deny_if", "Must not match", "If one of these is true, the call is refused or waits for a person.", at, shown));
    parts.push(part("Limits", el("ol", { class: "stack-tight" }, at.limits.map((found, index) => limit(block, index, found, shown))),
      line(button("Add a limit", () => send({ add_limit: { blocks, limit: { window: "day", max: "100" } } }), { id: "add-limit" }))));
    if (entry) parts.push(line(isAll ? null : renaming(block), button("Take the entry out", () => send({ remove_blocks: { blocks } }), { class: "tiny danger" })));
    return parts;
  }

  function renaming(block) {
    const to = el("input", { value: block.selector, "aria-label": "Selector" });
    return more("Rename the selector", false, line(to, button("Rename", () => send({ rename: { block, to: to.value } }, { ...block, selector: to.value }))));
  }

  // --- Several blocks, and none --------------------------------------------------------------------

  function several(blocks, form) {
    const tools = blocks.filter((block) => block.section === "tools");
    const withAction = blocks.filter((block) => block.section !== "all_tools");
    const set = (action) => send({ set_action: { blocks: withAction, action } });
    const max = el("input", { inputmode: "decimal", value: "30", "aria-label": "Calls a minute" });
    return [el("h3", {}, `${blocks.length} selected`), el("p", { class: "muted" }, `${form.written} of them have an entry of their own. Rules and limits go to these only; an action lists the others as well.`),
      el("div", { class: "line", role: "group", "aria-label": "Set what becomes of their calls" }, ACTIONS.filter(([value]) => value !== "custom").map(([value, word]) => button(word, () => set(value), { id: `bulk-${value}` }))),
      line(max, button("Limit calls a minute", () => send({ set_rate_limit: { blocks, rate: { max: max.value.trim(), window: "minute" } } })), button("Remove that limit", () => send({ set_rate_limit: { blocks, rate: null } }))),
      line(button("Ask a person for every call", () => send({ add_rule: { blocks, list: "deny_if", rule: { ...emptyRule, on_deny: ASK } } })),
        button("Compare with the schema", () => send({ set_validate: { blocks, mode: "schema" } })), button("Compare strictly", () => send({ set_validate: { blocks, mode: "strict" } }))),
      tools.length ? line(button("Use what is recommended", () => recommend(tools.map((tool) => tool.selector)), { class: "tiny primary" })) : null,
      line(button("Take their entries out", () => send({ remove_blocks: { blocks } }), { class: "tiny danger" }))];
  }

  function adding() {
    const section = select([["tools", "tools: a glob or class"], ["resources", "resources: URIs"], ["prompts", "prompts: names"], ["all_tools", "every tool (all_tools)"]], "tools", { "aria-label": "Section", onchange: () => { name.disabled = action.disabled = section.value === "all_tools"; } });
    const name = el("input", { "aria-label": "Selector", placeholder: "get_* or @read" });
    const action = select(ACTIONS.slice(0, 4), "deny", { "aria-label": "Action" });
    const add = () => {
      if (section.value === "all_tools") { choose({ section: "all_tools" }); return; }
      const block = { section: section.value, selector: name.value };
      if (name.value) send({ set_action: { blocks: [block], action: action.value } }, block);
    };
    return part("Another entry", el("div", { class: "line-of" }, section, name, action, button("Add", add)));
  }

  function none(form, shown) {
    return [el("p", { class: "muted" }, "Choose tools at the left to see and change what is said of them."),
      marksOf(shown.marks.filter((mark) => !/^\/(tools|resources|prompts|all_tools)\b/.test(mark.pointer)), ""),
      row( field("What no entry names", pick([["deny", "is denied and not shown"], ["allow", "is allowed"]], form.default, (value) => send({ set_default: value }))),
        long("Description", form.description, (description) => send({ set_description: description }))),
      line(button("Recommended for all", () => recommend([]), { class: "primary", id: "recommended" })),
      adding(),
      form.hide.length ? part("Hidden from every list", el("ul", { class: "line" }, form.hide.slice(0, 200).map((name) => el("li", { class: "tag" }, name, " ", link("Stop", () => send({ unhide: [name] })))))) : null,
      form.opaque.length ? part("Changed in the text only", form.opaque.map((part) => opaque(part, part.place.pointer))) : null];
  }

  return {
    /** Shows what was found, and keeps the focus on the field where it was. */
    show(form, blocks, marks, broken) {
      const controls = () => [...root.querySelectorAll("input, select, textarea, button, summary")];
      const focused = controls().indexOf(document.activeElement);
      const label = focused >= 0 ? document.activeElement.id : "";
      const opened = [...root.querySelectorAll("details")].map((details) => details.open);
      const known = form?.tool?.arguments ?? [];
      const shown = { known, marks, again: () => this.show(form, blocks, marks, broken) };
      const parts = broken ? [el("p", { class: "notice bad" }, "The text has errors, which are listed under it and underlined here. The fields take changes again as soon as they are corrected. ", link(`Line ${marks[0].line}`, () => go(marks[0])))] : [];
      if (form) parts.push(...(blocks.length === 0 ? none(form, shown) : blocks.length === 1 ? one(form.entries[0], form, shown) : several(blocks, form)));
      const paths = [...known.map((argument) => argument.path), ...FACTS];
      const content = el("div", { class: "stack" }, parts, el("datalist", { id: "known-paths" }, paths.map((path) => el("option", { value: path }))));
      root.replaceChildren(content);
      // Links to lines also work where nothing may be changed.
      if (!edits || broken) for (const control of root.querySelectorAll("input, select, textarea, button:not(.link)")) control.disabled = true;
      // The same block shown again keeps what was open.
      const details = [...root.querySelectorAll("details")];
      if (this.last === JSON.stringify(blocks) && details.length === opened.length) details.forEach((one, index) => { one.open = opened[index]; });
      this.last = JSON.stringify(blocks);
      if (focused >= 0) (document.getElementById(label) ?? controls()[Math.min(focused, controls().length - 1)])?.focus({ preventScroll: true });
    },
    /** Another selection forgets what was begun. */
    forget() { drafts = {}; },
  };
}
