// Small parts of the builder: elements made without HTML, and fields for values of conditions.

const USUAL = { button: { type: "button" }, input: { type: "text", autocomplete: "off", spellcheck: "false" } };

/** What nobody sees in a text, or what turns it around; `look::is_unseen` is the server's list. */
export const UNSEEN = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/gu;
const seen = (text) => (typeof text === "string" ? text.replace(UNSEEN, (c) => `[U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`) : text);

/** An element; text is always text, and what others wrote hides nothing. Attributes that are false or null are left out. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  // What does not fit into a field is whole in its title.
  const title = name === "input" && attributes.value ? { title: attributes.value } : {};
  for (const [key, value] of Object.entries({ ...USUAL[name], ...title, ...attributes })) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "hidden" || key === "disabled") element[key] = value;
    else element.setAttribute(key, value === true ? "" : seen(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false).map(seen));
  if (name === "select" && attributes.value !== undefined) element.value = attributes.value;
  return element;
}

const SHAPES = { allow: "M2 6.5 5 9.5 10 3.5", deny: "M3 3 9 9M9 3 3 9", hold: "M4 2.5v7M8 2.5v7", observe: "M2 5a3.2 3.2 0 1 0 6.4 0 3.2 3.2 0 1 0-6.4 0M7.6 7.6l2.9 2.9", neutral: "M3 6h6" };

/** A word with a shape before it. */
export function badge(kind, word) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  for (const [key, value] of Object.entries({ d: SHAPES[kind] ?? SHAPES.neutral, fill: "none", stroke: "currentColor", "stroke-width": "1.6", "stroke-linecap": "round" })) path.setAttribute(key, value);
  svg.append(path);
  return el("span", { class: `badge ${kind}` }, svg, word);
}

let count = 0;
/** A labelled control. */
export function field(label, control, hint) {
  control.id ||= `f${count += 1}`;
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, hint ? el("p", { class: "hint" }, hint) : null);
}

export const select = (words, value, attributes = {}) => el("select", { ...attributes, value }, words.map(([key, word]) => el("option", { value: key }, word)));

/** Operators with what they say, and whether they take a list, a number, a yes or no, or a text. */
export const OPS = [
  ["eq", "is", "one"], ["neq", "is not", "one"], ["lt", "is less than", "number"], ["lte", "is at most", "number"], ["gt", "is more than", "number"], ["gte", "is at least", "number"],
  ["in", "is one of", "list"], ["not_in", "is none of", "list"], ["exists", "is given", "bool"], ["regex", "matches the pattern", "text"], ["not_regex", "does not match the pattern", "text"],
  ["contains", "contains", "one"], ["not_contains", "does not contain", "one"], ["starts_with", "begins with", "text"], ["ends_with", "ends with", "text"],
  ["length_lte", "is at most so many characters long", "number"], ["length_gte", "is at least so many characters long", "number"], ["count_lte", "has at most so many elements", "number"], ["count_gte", "has at least so many elements", "number"],
  ["path_within", "lies within the folders", "list"], ["host_in", "is a URL of the hosts", "list"],
];

/** What fits the types of arguments; operators that fit none of them fit those that nobody named. */
const FITTING = {
  number: /^(n?eq|[lg]te?|(not_)?in|exists)$/,
  boolean: /^(n?eq|exists)$/,
  string: /^(n?eq|(not_)?(in|regex|contains)|exists|.*_with|length_.*|path_within|host_in)$/,
  array: /^((not_)?contains|count_.*|exists)$/,
  object: /^(count_.*|exists|n?eq)$/,
};
FITTING.integer = FITTING.number;

const isNumber = (text) => /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text);
// A value is JSON as text: a number keeps its digits, which a browser's own numbers would round.
const asText = (json) => { try { const value = JSON.parse(json); return typeof value === "string" ? value : json; } catch { return json; } };

/** Elements of a JSON list as texts, numbers as they are written; null where one is neither. */
function elements(json) {
  const found = [];
  let rest = json.trim().replace(/^\[/, "");
  for (;;) {
    const match = /^\s*("(?:[^"\\]|\\.)*"|-?[\d.eE+-]+)\s*([,\]])/.exec(rest);
    if (!match) return /^\s*\]\s*$/.test(rest) ? found : null;
    found.push(match[1]);
    rest = rest.slice(match[0].length);
    if (match[2] === "]") return found;
  }
}

/** A field for the value of an operator; `value()` gives it as JSON. */
function valueField(op, argument, json) {
  const shape = OPS.find(([name]) => name === op)?.[2] ?? "one";
  const kind = argument?.kind;
  const words = argument?.words ?? [];
  if (shape === "bool" || (shape === "one" && (kind === "boolean" || json === "true" || json === "false"))) {
    const control = select([["true", shape === "bool" ? "yes" : "true"], ["false", shape === "bool" ? "no" : "false"]], json === "false" ? "false" : "true", { "aria-label": "Value" });
    return { control, value: () => control.value };
  }
  if (shape === "list") {
    const parts = json.trim().startsWith("[") ? elements(json) : json ? [json] : [];
    if (parts) {
      const control = el("textarea", { rows: Math.min(6, parts.length + 1), "aria-label": "Values, one in a line", class: "code", value: parts.map(asText).join("\n"), placeholder: words.map(asText).join("\n") || "one in a line" });
      const numbers = kind === "number" || kind === "integer" || (parts.length > 0 && parts.every(isNumber));
      const spell = (text) => (numbers && isNumber(text) ? text : words.includes(text) ? text : JSON.stringify(text));
      return { control, value: () => `[${control.value.split("\n").map((line) => line.trim()).filter(Boolean).map(spell).join(", ")}]` };
    }
  }
  if (shape === "one" && words.length && (!json || words.includes(json))) {
    const control = select(words.map((word) => [word, asText(word)]), json || words[0], { "aria-label": "Value" });
    return { control, value: () => control.value };
  }
  const number = shape === "number" || (shape === "one" && (kind === "number" || kind === "integer" || isNumber(json)));
  const raw = shape === "one" && json !== "" && !isNumber(json) && !json.startsWith("\"");
  const control = el("input", { class: raw ? "code" : null, inputmode: number ? "decimal" : null, "aria-label": raw ? "Value as JSON" : "Value", value: raw ? json : asText(json) });
  return { control, value: () => (number || raw ? control.value.trim() : JSON.stringify(control.value)) };
}

/** The fields of a comparison. `onDone` gets it when something is changed; without one, `read()` gives it. */
export function conditionFields(test, known, listId, onDone) {
  const path = el("input", { class: "code", list: listId, value: test.path, "aria-label": "Argument or fact, such as args.amount", placeholder: "args.amount" });
  const argument = () => known.find((one) => one.path === path.value.trim());
  const op = el("select", { "aria-label": "Comparison" });
  const missing = el("input", { type: "checkbox", checked: test.if_missing });
  const slot = el("span", { class: "slot" });
  let json = test.value;
  let current;

  function offer() {
    const fitting = FITTING[argument()?.kind];
    const names = OPS.filter(([name]) => !fitting || fitting.test(name) || name === test.op);
    const before = op.value || test.op;
    op.replaceChildren(...names.map(([name, word]) => el("option", { value: name }, word)));
    op.value = names.some(([name]) => name === before) ? before : names[0][0];
  }
  function show() {
    current = valueField(op.value, argument(), json);
    if (onDone) current.control.addEventListener("change", done);
    slot.replaceChildren(current.control);
  }
  const read = () => ({ test: { path: path.value.trim(), op: op.value, value: current.value(), if_missing: missing.checked } });
  function done() { if (path.value.trim() && current.value() !== "") onDone?.(read()); }

  path.addEventListener("change", () => { offer(); show(); done(); });
  let before = test.op;
  op.addEventListener("change", () => {
    const value = current.value();
    const takesList = OPS.find(([name]) => name === op.value)?.[2] === "list";
    if (op.value === "exists") json = "true";
    else if (before === "exists" || value === "[]") json = "";
    else json = takesList || !value.startsWith("[") ? value : elements(value)?.[0] ?? "";
    before = op.value;
    show();
    done();
  });
  missing.addEventListener("change", done);
  offer();
  show();
  return { element: el("div", { class: "condition" }, path, op, slot, el("label", { class: "check small" }, missing, "or it is missing")), read };
}
