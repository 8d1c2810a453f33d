// Texts, sites and files that are attacks: names, descriptions and arguments full of script and of characters that
// nobody sees, another site that frames or posts to the console, and a log that a spreadsheet opens.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";

import { fitsEverywhere } from "./stage/checks.mjs";
import { FORMULAS, HIDDEN, NAME, SCRIPT } from "./stage/hostile.mjs";
import { hostileOffice, payments } from "./stage/office.mjs";
import { LOOKED_AT, pathOf } from "./stage/pages.mjs";
import { firstAdmin } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";

/** Pages that must show what a hostile server, agent or colleague wrote. */
const SHOWING = ["/activity", "/activity/{seq}", "/approvals", "/approvals/{id}", "/servers/{slug}", "/grants"];

/** What is in a page that only a text could have brought there. */
function intruders() {
  const found = [];
  const own = location.origin;
  for (const element of document.querySelectorAll("*")) {
    const { localName } = element;
    const brought =
      (localName === "script" && !element.src.startsWith(`${own}/assets/`)) ||
      ["iframe", "object", "embed", "base", "animate", "style"].includes(localName) ||
      (localName === "img" && !element.src.startsWith(own)) ||
      (localName === "meta" && element.httpEquiv) ||
      [...element.attributes].some(({ name }) => name.startsWith("on") || name === "style");
    if (brought) found.push(element.outerHTML.slice(0, 200));
    for (const name of ["href", "action", "formaction", "src"]) {
      const value = element.getAttribute(name);
      if (value && new URL(value, document.baseURI).origin !== own) found.push(`${name}: ${value}`);
    }
  }
  return found;
}

/** All words of the page, but those of a text that somebody edits: there every character stands as it is. */
function wordsAround() {
  const edited = document.getElementById("code-edit");
  if (edited) edited.hidden = true;
  const words = document.body.innerText;
  if (edited) edited.hidden = false;
  return words;
}

scenario("hostile texts are words on every page", async (stage, t) => {
  const gateway = await stage.gateway();
  const found = await hostileOffice(stage, gateway);
  const admin = await firstAdmin(stage, gateway, { display: NAME });
  const names = await found.names(admin);
  for (const { path, roles } of LOOKED_AT.filter(({ path, roles }) => roles.admin === "may" && !path.includes("{link}"))) {
    assert.ok(roles);
    await stage.part(t, path, admin, async () => {
      await admin.open(pathOf(path, names));
      assert.deepEqual(await admin.page.evaluate(intruders), []);
      const text = await admin.page.evaluate(wordsAround);
      const unseen = HIDDEN.filter((character) => text.includes(character)).map((c) => c.codePointAt(0).toString(16));
      assert.deepEqual(unseen, [], "characters that nobody sees");
      if (path === "/policies/{name}") assert.match(text, /U\+202E/, "what turns the policy's text around is not named");
      if (SHOWING.includes(path)) {
        // Both: the script is there to be read, and what nobody sees is named.
        assert.ok(text.includes(SCRIPT), `the text is not to be seen on ${path}`);
        assert.ok(/U\+202E/.test(text), `what turns text around is not named on ${path}`);
      }
      await fitsEverywhere(admin);
    });
  }
});

/** Another site, with one page. */
async function otherSite(stage, body) {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    response.end(`<!doctype html><html lang="en"><title>Elsewhere</title><link rel="icon" href="data:,">${body}</html>`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  stage.ending(() => server.close());
  return `http://127.0.0.1:${server.address().port}/`;
}

scenario("another site cannot frame the console", async (stage) => {
  const gateway = await stage.gateway();
  const admin = await firstAdmin(stage, gateway);
  for (const path of ["/", "/sign-in", "/approvals"]) {
    const elsewhere = await otherSite(stage, `<iframe title="x" src="${gateway.origin}${path}"></iframe>`);
    await admin.page.goto(elsewhere);
    const frame = admin.page.frames()[1];
    await frame.waitForLoadState();
    const shown = await frame.evaluate(() => document.body?.innerText ?? "");
    assert.ok(!shown.includes("Portcullis"), `${path} is shown in a frame: ${shown}`);
    assert.ok(admin.faults.some((fault) => fault.includes("frame-ancestors")), admin.faults.join("\n"));
  }
  admin.faults.length = 0;
});

scenario("another site cannot send the console's forms", async (stage) => {
  const gateway = await stage.gateway();
  const admin = await firstAdmin(stage, gateway);
  // Another port is another origin of the same site: the browser sends the cookie along.
  const form = `<form method="post" action="${gateway.origin}/sign-out"><button>Win a prize</button></form>`;
  await admin.page.goto(await otherSite(stage, form));
  admin.expecting(403);
  const answer = admin.page.waitForResponse((response) => response.url() === `${gateway.origin}/sign-out`);
  await admin.page.getByRole("button", { name: "Win a prize" }).click();
  assert.equal((await answer).status(), 403);
  admin.faults.length = 0;
  await admin.open("/");
  assert.equal(admin.where(), "/", "still signed in");
});

/** The cells of a file of comma-separated values (RFC 4180). */
function cells(text) {
  const rows = [[]];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const [character, next] = [text[at], text[at + 1]];
    if (quoted && character === '"' && next === '"') {
      cell += '"';
      at += 1;
    } else if (character === '"') {
      quoted = !quoted;
    } else if (!quoted && (character === "," || character === "\n")) {
      rows.at(-1).push(cell);
      cell = "";
      if (character === "\n") rows.push([]);
    } else {
      cell += character;
    }
  }
  assert.equal(cell, "", "the file ends with a line's end");
  return rows.slice(0, -1);
}

scenario("an exported log holds no formula", async (stage) => {
  const gateway = await stage.gateway();
  const { grant } = await payments(stage, gateway, { label: FORMULAS[0] });
  const agent = await stage.agent(gateway, "pay", grant.token, FORMULAS[3]);
  await agent.call("list_invoices", { customer: FORMULAS[1] });
  for (const formula of FORMULAS) await agent.call(formula).catch(() => {});
  const admin = await firstAdmin(stage, gateway);
  await admin.open("/activity");
  const saved = admin.page.waitForEvent("download");
  await admin.page.getByRole("link", { name: /CSV/ }).click();
  const stream = await (await saved).createReadStream();
  const text = Buffer.concat(await stream.toArray()).toString("utf8");
  const rows = cells(text);
  assert.ok(rows.length > FORMULAS.length, text);
  for (const row of rows) {
    assert.equal(row.length, rows[0].length, "every row has every cell");
    for (const cell of row) assert.ok(!/^[=+\-@\t\r]/.test(cell), `a spreadsheet would run ${JSON.stringify(cell)}`);
  }
  assert.ok(text.includes("HYPERLINK"), "what was called is in the log as it was");
});
