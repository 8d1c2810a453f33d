// Calls are seen as they happen: in the log of calls and on the overview, while the page is open, and only by somebody
// who is signed in.
import assert from "node:assert/strict";

import { axe, fits, keyboardOnly, tabTo } from "./stage/checks.mjs";
import { payments } from "./stage/office.mjs";
import { firstAdmin } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";

scenario("a call appears in the open log, and a paused view stays as it is", async (stage) => {
  const gateway = await stage.gateway();
  const { grant } = await payments(stage, gateway);
  const agent = await stage.agent(gateway, "pay", grant.token, "claude-code");
  await agent.call("list_invoices", { state: "open" });
  const admin = await firstAdmin(stage, gateway);
  const { page } = admin;
  await admin.open("/activity");
  const rows = page.locator("tbody[data-events] tr");
  const lines = await rows.count();
  await page.getByText("Live", { exact: true }).waitFor();
  await agent.call("pay_invoice", { invoice_id: "inv-1", amount: 12, currency: "EUR" });
  await rows.nth(lines).waitFor();
  assert.match(await rows.first().innerText(), /pay_invoice/);
  await axe(admin);

  await page.getByRole("button", { name: "Pause the view" }).click();
  await agent.call("get_balance", { account: "DE02" });
  const more = page.getByRole("button", { name: "1 new call" });
  await more.waitFor();
  assert.equal(await rows.count(), lines + 1, "a paused view stays as it is");
  await page.getByRole("button", { name: "Go on" }).click();
  await rows.nth(lines + 1).waitFor();
  assert.match(await rows.first().innerText(), /get_balance/);
});

scenario("a row opens in place, with the keyboard too, and holds the view still", async (stage) => {
  const gateway = await stage.gateway();
  const { grant } = await payments(stage, gateway);
  const agent = await stage.agent(gateway, "pay", grant.token, "claude-code");
  await agent.call("pay_invoice", { invoice_id: "inv-1", amount: 12, currency: "EUR" });
  const admin = await firstAdmin(stage, gateway);
  const { page } = admin;
  await keyboardOnly(admin);
  await admin.open("/activity?tool=pay_invoice");
  await page.getByText("Live", { exact: true }).waitFor();
  const button = page.getByRole("button", { name: "Show this call here" });
  await tabTo(admin, button);
  await page.keyboard.press("Enter");
  const here = page.locator("tr.here");
  await here.getByRole("heading", { name: "How it was judged" }).waitFor();
  assert.match(await here.innerText(), /inv-1/);
  assert.equal(admin.where(), "/activity?tool=pay_invoice", "the page is the same");
  await axe(admin);
  await fits(admin);
  await page.setViewportSize({ width: 390, height: 844 });
  await fits(admin);
  await page.setViewportSize({ width: 1440, height: 900 });
  await agent.call("pay_invoice", { invoice_id: "inv-2", amount: 13, currency: "EUR" });
  await page.getByRole("button", { name: "1 new call" }).waitFor();
  await page.keyboard.press("Enter");
  await here.waitFor({ state: "detached" });
});

scenario("a hostile call appears in the open log as words", async (stage) => {
  const gateway = await stage.gateway();
  const { grant } = await payments(stage, gateway);
  const agent = await stage.agent(gateway, "pay", grant.token, "x");
  await agent.tools();
  const admin = await firstAdmin(stage, gateway);
  await admin.open("/activity");
  await admin.page.getByText("Live", { exact: true }).waitFor();
  const name = '<img src=x onerror=alert(1)>\u202e<script>alert(2)</script>';
  await agent.call(name, {}).catch(() => {});
  const row = admin.page.locator("tbody[data-events] tr").filter({ hasText: "onerror" }).first();
  await row.waitFor();
  const text = await row.innerText();
  assert.ok(text.includes("<img src=x onerror=alert(1)>") && text.includes("U+202E"), text);
});

scenario("the stream of calls is closed to whoever is not signed in", async (stage) => {
  const gateway = await stage.gateway();
  const answer = await fetch(`${gateway.origin}/activity/events`, { redirect: "manual" });
  assert.ok([303, 401].includes(answer.status), `${answer.status}`);
  const text = await answer.text();
  assert.ok(!text.includes("data:"), text);
});
