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

/** Facts that every call has. */
const GIVEN = /^(tool\.name|grant\.label|now\.(hour|weekday))$/;

const isNumber = (text) => /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text);
const shapeOf = (op) => OPS.find(([name]) => name === op)?.[2] ?? "one";
const isText = (json) => json.startsWith("\"");
// A value is JSON as text: a number keeps its digits, which a browser's own numbers would round. Where any type may stand, what reads
// as JSON is JSON, and all else is text.
const spelled = (text) => { try { JSON.parse(text); return text; } catch { return JSON.stringify(text); } };
const shown = (json, texts) => { try { const value = JSON.parse(json); return isText(json) && (texts || spelled(value) !== value) ? value : json; } catch { return json; } };

/** Elements of a JSON list, each as it is written; null where one is a list or an object. */
function elements(json) {
  const found = [];
  let rest = json.trim().replace(/^\[/, "");
  for (;;) {
    const match = /^\s*("(?:[^"\\]|\\.)*"|[-+.\w]+)\s*([,\]])/.exec(rest);
    if (!match) return /^\s*\]\s*$/.test(rest) ? found : null;
    found.push(match[1]);
    rest = rest.slice(match[0].length);
    if (match[2] === "]") return found;
  }
}

/** A field for the value of an operator, as the schema types it; `value()` gives it as JSON. */
function valueField(op, argument, json) {
  const shape = shapeOf(op);
  const kind = argument?.kind;
  const words = argument?.words ?? [];
  const texts = kind === "string" || shape === "text" || op === "path_within" || op === "host_in";
  const whole = kind === "integer" || /^(length|count)_/.test(op);
  const chosen = (pairs) => {
    const control = select(pairs, json || pairs[0][0], { "aria-label": "Value" });
    return { control, value: () => control.value };
  };
  if (shape === "bool") return chosen([["true", "yes"], ["false", "no"]]);
  if (shape === "one" && words.length && (!json || words.includes(json))) return chosen(words.map((word) => [word, shown(word, true)]));
  if (shape === "list") {
    const parts = json.trim().startsWith("[") ? elements(json) : json ? [json] : [];
    if (parts) {
      const plain = texts && parts.every(isText);
      const control = el("textarea", { rows: Math.min(6, parts.length + 1), "aria-label": "Values, one in a line", class: "code", value: parts.map((part) => shown(part, plain)).join("\n"), placeholder: words.map((word) => shown(word, plain)).join("\n") || "one in a line" });
      return { control, value: () => `[${control.value.split("\n").map((line) => line.trim()).filter(Boolean).map(plain ? JSON.stringify : spelled).join(", ")}]` };
    }
  }
  if ((shape === "number" || (shape === "one" && /^(number|integer)$/.test(kind))) && (!json || isNumber(json))) {
    const control = el("input", { type: "number", step: whole ? 1 : "any", "aria-label": "Value", value: json });
    // What a browser would not hold as it is written stays text.
    if (control.value === json) return { control, value: () => control.value };
  }
  const plain = texts && shape !== "list" && (!json || isText(json));
  const value = shown(json, plain);
  const make = (type) => el("input", { type, class: plain ? null : "code", inputmode: { email: "email", uri: "url" }[argument?.format], "aria-label": plain ? "Value" : "Value, as text or JSON", value });
  let control = make(plain && shape === "one" && argument?.format === "date" ? "date" : "text");
  if (control.value !== value) control = make("text");
  return { control, value: () => (plain ? JSON.stringify(control.value) : control.value.trim() && spelled(control.value.trim())) };
}

/** The fields of a comparison. `onDone` gets it when something is changed; without one, `read()` gives it. */
export function conditionFields(test, known, listId, onDone) {
  const path = el("input", { class: "code", list: listId, value: test.path, "aria-label": "Argument or fact, such as args.amount", placeholder: "args.amount" });
  const named = (more = "") => known.find((one) => one.path === path.value.trim() + more);
  const argument = () => named();
  const op = el("select", { "aria-label": "Comparison" });
  const missing = el("input", { type: "checkbox", checked: test.if_missing });
  const unless = el("label", { class: "check small" }, missing, "or it is missing");
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
    const one = argument();
    // A list contains what its elements are.
    const typed = one?.kind === "array" && op.value.endsWith("contains") ? named("[*]") : one;
    current = valueField(op.value, typed, json);
    if (onDone) current.control.addEventListener("change", done);
    slot.replaceChildren(current.control, ...(one?.said ? [el("span", { class: "hint small" }, one.said)] : []));
    // What is always there is never missing, and `exists` asks for just that.
    unless.hidden = !missing.checked && (op.value === "exists" || one?.required || GIVEN.test(path.value.trim()));
  }
  const read = () => ({ test: { path: path.value.trim(), op: op.value, value: current.value(), if_missing: missing.checked && !unless.hidden } });
  function done() { if (path.value.trim() && current.value() !== "") onDone?.(read()); }

  path.addEventListener("change", () => { offer(); show(); done(); });
  let before = test.op;
  op.addEventListener("change", () => {
    const value = current.value();
    const shape = shapeOf(op.value);
    if (op.value === "exists") json = "true";
    else if (before === "exists" || value === "[]") json = "";
    else json = shape === "list" || !value.startsWith("[") ? value : elements(value)?.[0] ?? "";
    if (shape === "number" && !isNumber(json)) json = "";
    before = op.value;
    show();
    done();
  });
  missing.addEventListener("change", done);
  offer();
  show();
  return { element: el("div", { class: "condition" }, path, op, slot, unless), read };
}
