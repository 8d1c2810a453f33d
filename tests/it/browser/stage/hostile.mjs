// Texts that a malicious server, agent or colleague would choose: each tries to run a script, to load something
// from elsewhere, to leave its place in the page, or to look like another text.

/** A host that no page may ever ask. */
export const ELSEWHERE = "elsewhere.invalid";

/** Characters that nobody sees, or that turn the text around; each must be shown as what it is. */
export const HIDDEN = ["\u202e", "\u2066", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u{e0041}"];

export const SCRIPT = '<script>alert("script")</script>';
export const IMAGE = `<img src="https://${ELSEWHERE}/i.png" onerror=alert("image")>`;
export const SVG = '<svg onload=alert("svg")><animate onbegin=alert("svg") attributeName=x dur=1s></svg>';
export const LINK = '<a href="javascript:alert(1)">open</a>';
export const MARKDOWN = `![i](https://${ELSEWHERE}/m.png) [open](javascript:alert(1))`;
export const ATTRIBUTE = `" autofocus onfocus=alert("attribute") x="`;
export const BREAKOUT = `</textarea></script></style></title><script src="https://${ELSEWHERE}/s.js"></script>`;
export const STYLE = `<style>@import url(https://${ELSEWHERE}/s.css);</style>`;
export const FORM = `<form action="https://${ELSEWHERE}/"><button>Approve</button></form>`;
export const BASE = `<base href="https://${ELSEWHERE}/"><meta http-equiv=refresh content="0;url=https://${ELSEWHERE}/">`;
export const TEMPLATE = "{{ 7 * 7 }} ${7*7} {% raw %} <%= 7*7 %> #{7*7}";
export const TERMINAL = "\u001b[2J\u001b[31mred\u0007";

/** What a spreadsheet would run. */
export const FORMULAS = [
  `=HYPERLINK("https://${ELSEWHERE}/","open")`,
  "+1+cmd|' /C calc'!A0",
  "-2+3",
  "@SUM(1+1)",
  "\t=1+1",
  "\r=1+1",
];

/** All of the above in one text. */
export const EVERYTHING = [
  SCRIPT,
  IMAGE,
  SVG,
  LINK,
  MARKDOWN,
  ATTRIBUTE,
  BREAKOUT,
  STYLE,
  FORM,
  BASE,
  TEMPLATE,
  `pay \u202e0001\u202c to me`,
  `in${HIDDEN.join("")}visible`,
].join("\n");

/** A short text with a script and every hidden character, for names. */
export const NAME = `${SCRIPT}${IMAGE}\u202egnp.exe\u200b`;

/** A very long word. */
export const LONG = "Donaudampfschifffahrtsgesellschaft".repeat(12);
