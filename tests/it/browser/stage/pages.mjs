// Every page of the console and who may see it, read from the table that the console's own tests hold its router
// against; and what the paths of an installation are.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const TABLE = new URL("../../../../crates/console/testdata/endpoint-roles.md", import.meta.url);
const API = "/api/";

/** Every line of the table that is no endpoint of the API: `{ method, path, roles: { viewer: "may", … } }`. */
export const PAGES = readFileSync(TABLE, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()))
  .reduce(
    (found, cells) => {
      if (!found.heads) return { heads: cells, pages: [] };
      const [method, path] = cells[0].split(" ");
      const roles = Object.fromEntries(found.heads.slice(1).map((role, number) => [role, cells[number + 1]]));
      if (path && !path.startsWith(API)) found.pages.push({ method, path, roles });
      return found;
    },
    { heads: undefined, pages: [] },
  ).pages;

/** The way through an issuer of OpenID Connect: there is none where no issuer is configured, as on this stage. */
export const SIGN_ON = ["/sign-in/on", "/sign-in/callback"];

/** Pages to look at: not the forms, not the streams of events and the parts of pages, not the files that a page loads or saves. */
export const LOOKED_AT = PAGES.filter(
  ({ method, path }) => method === "GET" && !SIGN_ON.includes(path) && !/(events|begin|first-call)$|^\/assets\/|\/export/.test(path),
);

const matches = (pattern, path) => {
  const parts = pattern.split("/").map((part) => (part.startsWith("{") ? "[^/]+" : part.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&")));
  return new RegExp(`^${parts.join("/")}$`).test(path);
};

/** The line of the table for a form's address. */
export function formOf(path) {
  const found = PAGES.find((page) => page.method === "POST" && matches(page.path, path));
  assert.ok(found, `a form sends to ${path}, which is in no line of the table`);
  return found;
}

/**
 * The path of a page in an installation. `names` says for each placeholder what goes there: by the whole path where
 * one name stands for different things (`{ "/grants/{id}": { id } }`), else by the name alone.
 */
export function pathOf(pattern, names) {
  return pattern.replaceAll(/\{([^}]+)\}/g, (_whole, name) => {
    const value = names[pattern]?.[name] ?? names[name];
    assert.ok(value !== undefined, `say in the test what {${name}} of ${pattern} is`);
    return encodeURIComponent(value);
  });
}
