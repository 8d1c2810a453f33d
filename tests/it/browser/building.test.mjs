// The policy builder: tools, rules and text are views of one file. A change in the fields changes its own place of the
// text and nothing else; with the mouse, and with the keyboard alone.
import assert from "node:assert/strict";

import { axe, everyLook, fits, keyboardOnly, tabTo } from "./stage/checks.mjs";
import { payments } from "./stage/office.mjs";
import { firstAdmin } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";
import { until } from "./stage/wait.mjs";

const POLICY = `{
  // Accounting: what the agent may do.
  "version": "1",
  "default": "deny",
  "tools": {
    "list_invoices": {}, // harmless
    "pay_invoice": {
      "require": [
        { "conditions": [{ "path": "args.amount", "op": "lte", "value": 500 }], "on_deny": "Too much." },
        { "conditions": [{ "any": [{ "path": "args.currency", "op": "eq", "value": "EUR" }, { "path": "args.currency", "op": "eq", "value": "USD" }] }] }
      ]
    }
  }
}
`;

/** The builder, open with that policy. */
async function builder(stage, wish) {
  const gateway = await stage.gateway();
  await payments(stage, gateway);
  const { server } = await gateway.api("GET", "policies/accounting");
  const { headers } = await gateway.ask("GET", "policies/accounting");
  const etag = headers.get("etag");
  await gateway.api("PUT", "policies/accounting", { server, text: POLICY }, { "If-Match": etag });
  const admin = await firstAdmin(stage, gateway);
  if (wish?.keyboard) await keyboardOnly(admin);
  await admin.open("/policies/accounting");
  await admin.page.getByRole("option", { name: /pay_invoice/ }).waitFor();
  return { gateway, admin, page: admin.page, text: () => admin.page.locator("#text").inputValue() };
}

/** Waits until the text is as it should be. */
const becomes = (text, what, test) => until(what, async () => test(await text()));

scenario("a change in the fields changes its own place of the text", async (stage) => {
  const { admin, page, text } = await builder(stage);
  assert.equal(await text(), POLICY);
  await page.getByRole("option", { name: /pay_invoice/ }).click();
  await page.locator(".rule").first().waitFor();
  const value = page.locator(".rule .condition .slot input").first();
  await value.fill("750");
  await value.press("Tab");
  await becomes(text, "the amount in the text", (now) => now === POLICY.replace("500", "750"));
  await page.locator("#undo").click();
  await becomes(text, "the change undone", (now) => now === POLICY);
  await page.locator("#redo").click();
  await becomes(text, "the change done again", (now) => now === POLICY.replace("500", "750"));
  await axe(admin);
  // What the fields cannot show stays as it was written, and is named with its line.
  assert.match(await page.locator("#rules").innerText(), /Line 10/);
});

scenario("a change in the text changes the fields, and a mistake is named in both", async (stage) => {
  const { admin, page, text } = await builder(stage);
  await page.getByRole("option", { name: /pay_invoice/ }).click();
  await page.locator("#text").fill(POLICY.replace("500", "40"));
  await until("the field to follow", async () => (await page.locator(".rule .condition .slot input").first().inputValue()) === "40");
  await page.locator("#text").fill(POLICY.replace('"lte"', '"less"'));
  await page.locator(".code-under .error").first().waitFor();
  assert.match(await page.locator("#marks").innerText(), /Line 9/);
  await axe(admin);
  await fits(admin);
  await page.locator("#text").fill(POLICY);
  await until("no mistake", async () => (await page.locator(".code-under .error").count()) === 0);
  assert.equal(await text(), POLICY);
});

scenario("several tools get a rule at once", async (stage, t) => {
  const { admin, page, text } = await builder(stage);
  await page.getByRole("option", { name: /get_balance/ }).click();
  await page.keyboard.press("Control+a");
  await page.locator("#bulk-approve").click();
  await becomes(text, "six tools that need a person", (now) => now.split('"approve"').length === 7);
  assert.match(await text(), /\/\/ Accounting: what the agent may do\./, "comments stay");
  await everyLook(admin, t, "builder-several");
});

scenario("a rule is changed with the keyboard alone, reviewed and saved", async (stage) => {
  const { admin, page, text } = await builder(stage, { keyboard: true });
  const list = page.locator("#tool-list");
  await tabTo(admin, page.locator("#tool-search"));
  await page.keyboard.type("pay");
  await page.keyboard.press("ArrowDown");
  assert.ok(await list.evaluate((element) => element === document.activeElement), "the list has the focus");
  await page.keyboard.press("Enter");
  await page.locator(".rule").first().waitFor();
  const value = page.locator(".rule .condition .slot input").first();
  await tabTo(admin, value);
  await page.keyboard.press("Control+a");
  await page.keyboard.type("750");
  await page.keyboard.press("Tab");
  await becomes(text, "the amount in the text", (now) => now === POLICY.replace("500", "750"));
  const review = page.getByRole("button", { name: "Review and save" });
  await tabTo(admin, review);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/review**");
  assert.match(await page.locator("main").innerText(), /pay_invoice/);
  await tabTo(admin, page.getByRole("button", { name: "Save and enforce" }));
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => !url.pathname.endsWith("/review") || url.searchParams.has("told"));
  assert.match(await page.locator("main").innerText(), /version 3/i);
});

scenario("a recorded call becomes a rule and a test of the unsaved text", async (stage, t) => {
  const gateway = await stage.gateway();
  const { grant } = await payments(stage, gateway);
  const agent = await stage.agent(gateway, "pay", grant.token);
  await agent.call("pay_invoice", { invoice_id: "inv-7", amount: 120, currency: "EUR" });
  const admin = await firstAdmin(stage, gateway);
  const { page } = admin;
  const text = () => page.locator("#text").inputValue();
  await admin.open("/activity?tool=pay_invoice");
  await page.locator("main table a[href^='/activity/']").first().click();
  await page.getByRole("link", { name: "Make a rule from this" }).click();
  await page.getByRole("heading", { name: /A rule from a call of/ }).waitFor();
  await everyLook(admin, t, "builder-from-call");
  const before = await text();
  await page.getByLabel("A person decides").check();
  await page.getByLabel("Message when it refuses").first().fill("Ask Mara first.");
  await page.getByRole("button", { name: "Put the rule into my text" }).click();
  await page.getByText("The rule is in your text now.").waitFor();
  await page.locator(".rule").first().waitFor();
  assert.ok((await text()).includes("Ask Mara first.") && !before.includes("Ask Mara first."));
  assert.match(await page.locator("#rules").innerText(), /pay_invoice/, "the tool is open");
  await admin.open("/activity?tool=pay_invoice");
  await page.locator("main table a[href^='/activity/']").first().click();
  await page.getByRole("link", { name: "Add as a test" }).click();
  await page.getByLabel("It must be").selectOption("hold");
  await page.getByRole("button", { name: "Put the test into my text" }).click();
  await becomes(text, "the test in the text", (now) => now.includes('"tests"'));
  await page.getByRole("button", { name: "Review and save" }).click();
  await page.waitForURL("**/review**");
  await axe(admin);
});

scenario("two people save one policy: the second is told, and nothing is lost", async (stage) => {
  const { gateway, admin, page, text } = await builder(stage);
  await page.locator("#text").fill(POLICY.replace("500", "40"));
  await page.getByRole("button", { name: "Review and save" }).click();
  await page.waitForURL("**/review**");
  const { server } = await gateway.api("GET", "policies/accounting");
  const { headers } = await gateway.ask("GET", "policies/accounting");
  await gateway.api("PUT", "policies/accounting", { server, text: POLICY.replace("500", "60") }, { "If-Match": headers.get("etag") });
  admin.expecting(409);
  await page.getByRole("button", { name: "Save and enforce" }).click();
  await page.getByText("Nothing was saved: version 3 came in between").waitFor();
  await admin.open("/policies/accounting");
  assert.ok((await text()).includes("40"), "the own text is still there");
});
