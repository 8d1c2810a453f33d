// Calls are seen as they happen: in the log of calls and on the overview, while the page is open, and only by somebody
// who is signed in.
import assert from "node:assert/strict";

import { axe } from "./stage/checks.mjs";
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
