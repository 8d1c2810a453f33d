// The pictures that the documentation shows, taken while people and agents do what it tells of. A usual run takes them
// too, to see that they can be taken; `cargo xtask shots` puts them into docs/images, where README.md lists them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { filesServer, office, PAY_POLICY } from "./stage/office.mjs";
import { assertPictures, forgetPictures, picture } from "./stage/pictures.mjs";
import { PICTURES } from "./stage/places.mjs";
import { firstAdmin, invitation, somebody } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";
import { until } from "./stage/wait.mjs";

/** The instant that all pictures show. */
const NOW = "2026-11-02 09:00:00";
const URL_OF_AGENTS = "https://gate.harbour.example";
const LIST = new URL("../../../docs/images/README.md", import.meta.url);
/** The names that the documentation may link to. */
const NAMES = [...readFileSync(LIST, "utf8").matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name);

/** Only pictures of the documentation need a clock that stands still. */
const still = (at) => (PICTURES ? { at, url: URL_OF_AGENTS } : {});
const at = PICTURES ? new Date(`${NOW.replace(" ", "T")}Z`) : undefined;

/** What the agents did on the day before, hour by hour. */
async function dayBefore(gateway, { accounting, inbox, research, notes }) {
  const begin = Date.parse(`${NOW.replace(" ", "T")}Z`) - 22 * 3_600_000;
  const busy = [1, 0, 2, 3, 2, 4, 3, 5, 3, 2, 3, 1, 0, 1, 0, 0, 1, 0, 1, 2, 3, 4];
  for (const [hour, calls] of busy.entries()) {
    if (gateway.at) await gateway.turnTo(new Date(begin + hour * 3_600_000).toISOString().slice(0, 19).replace("T", " "));
    for (let number = 0; number < calls; number += 1) {
      const amount = 40 + ((hour * 7 + number * 13) % 9) * 35;
      await accounting.call("pay_invoice", { invoice_id: `inv-${hour}${number}`, amount, currency: "EUR" });
      if (number % 2 === 0) await accounting.call("list_invoices", { state: "open" });
      if (number === 2) await accounting.call("delete_customer", { customer: "17", confirm: true }).catch(() => {});
      if (number === 3) await inbox.call("send_mail", { to: ["press@elsewhere.example"], subject: "News", body: "…" });
    }
    if (calls % 3 === 1) await inbox.call("search_mail", { query: "invoice" });
    if (calls % 4 === 1) await research.call("read_text_file", { path: notes });
    if (calls === 5) {
      for (let sent = 0; sent < 6; sent += 1) await accounting.call("send_reminder", { invoice_id: "inv-3", tone: "firm" });
    }
    if (hour === 9) await approvedCall(gateway, accounting);
  }
  if (gateway.at) tick(gateway, [accounting, inbox, research], Date.parse(`${NOW.replace(" ", "T")}Z`) - 24 * 60_000);
}

/** From now on a minute passes before each call. */
function tick(gateway, agents, from) {
  let time = from;
  let turned = Promise.resolve();
  for (const agent of agents) {
    const call = agent.call.bind(agent);
    agent.call = async (...words) => {
      const at = new Date((time += 60_000)).toISOString().slice(0, 19).replace("T", " ");
      await (turned = turned.then(() => gateway.turnTo(at)));
      return call(...words);
    };
  }
}

/** A large payment that somebody approved. */
async function approvedCall(gateway, accounting) {
  const payment = { invoice_id: "inv-22", amount: 1900, currency: "EUR", recipient: "Harbour Supplies Ltd", note: "September" };
  const call = accounting.call("pay_invoice", payment);
  const [hold] = await until("a held call", async () => {
    const found = await gateway.held();
    return found.length === 1 && found;
  });
  await gateway.api("POST", `approvals/${hold.id}/approve`, {});
  await call;
}

scenario("pictures of an office", async (stage) => {
  assert.ok(NAMES.length > 10, "docs/images/README.md lists the pictures");
  forgetPictures();
  const gateway = await stage.gateway(still("2026-11-01 10:00:00"));
  const found = await office(stage, gateway, (agents) => dayBefore(gateway, agents));
  if (gateway.at) await gateway.turnTo(NOW);
  const admin = await firstAdmin(stage, gateway, { at });
  const { page } = admin;
  await somebody(stage, gateway, "approver", { display: "Jonas Berg", at }).then((jonas) => stage.leave(jonas));
  await invitation(gateway, "ines@harbour.example", "policy_manager");
  const take = async (path, name, wish) => {
    await admin.open(path);
    await picture(admin, name, wish);
  };
  await until("the numbers of the day to be counted", async () => {
    await admin.open("/");
    return (await page.getByText("Still counting").count()) === 0;
  });
  await picture(admin, "overview");
  await take("/approvals", "approvals");
  const large = found.held.find(({ name }) => name === "pay_invoice");
  await take(`/approvals/${large.id}`, "approval", { height: 960 });
  await take(`/approvals/${large.id}`, "approval-phone", { narrow: true });
  await take("/activity", "activity");
  await take("/activity", "activity-phone", { narrow: true });
  const names = await found.names(admin);
  await take(`/activity/${names.seq}`, "call", { height: 900 });
  await take("/servers", "servers");
  await take("/servers/pay", "server");
  await take("/servers/mail/changes", "tool-changes");
  await take("/grants", "grants");
  await take("/inventory", "inventory");
  await take("/people", "people");
  const trial = { grant: found.grant.id, tool: "pay_invoice", by: "json", args: '{"invoice_id":"inv-40","amount":2400,"currency":"EUR"}' };
  await take(`/playground?${new URLSearchParams(trial)}`, "playground", { height: 900 });
  await take("/policies", "policies");
  await page.setViewportSize({ width: 1440, height: 900 });
  await admin.open("/policies/accounting");
  await page.getByRole("option", { name: /pay_invoice/ }).click();
  await page.locator(".rule").first().waitFor();
  await picture(admin, "builder", { width: 1440, height: 900 });
  await page.locator("#text").fill(`${JSON.stringify(stricter(), null, 2)}\n`);
  await page.waitForResponse((response) => response.url().endsWith("/look"));
  await page.getByRole("button", { name: "Review and save" }).click();
  await page.waitForURL("**/review**");
  await picture(admin, "review", { height: 1000 });
});

/** The policy of accounting with smaller payments, and no reminders. */
function stricter() {
  const policy = structuredClone(PAY_POLICY);
  policy.tools.pay_invoice.deny_if[0].conditions[0].value = 200;
  policy.tools.send_reminder = { action: "deny" };
  return policy;
}

scenario("pictures of the set-up", async (stage) => {
  const gateway = await stage.gateway(still(NOW));
  const admin = await firstAdmin(stage, gateway, { at });
  const { page } = admin;
  await page.setViewportSize({ width: 1280, height: 800 });
  const { input } = await filesServer(gateway);
  await admin.open("/setup?way=command");
  await page.getByLabel("Name", { exact: true }).fill("files");
  await page.getByLabel("Program and arguments").fill("npx\n-y\n@modelcontextprotocol/server-filesystem\n/srv/shared");
  await picture(admin, "setup-server");
  await page.getByLabel("Program and arguments").fill(input.command.join("\n"));
  await page.getByRole("button", { name: "Add the server" }).click();
  await page.waitForURL("**/setup/files**");
  await page.getByRole("button", { name: "Test connection" }).click();
  await page.getByRole("heading", { name: /^\d+ tools/ }).waitFor();
  await picture(admin, "setup-policy");
  await page.getByRole("button", { name: "Accept the tools and save the policy" }).click();
  await page.getByLabel("Label").fill("Research assistant");
  await page.getByRole("button", { name: "Make the grant" }).click();
  await page.getByText("Waiting for the agent").waitFor();
  const [token] = (await page.locator("#the-token").innerText()).match(/pcl_[0-9A-Za-z]{49}/);
  await picture(admin, "setup-connect");
  const agent = await stage.agent(gateway, "files", token, "claude-code");
  agent.call("list_directory", { path: "/srv/shared" }).catch(() => {});
  await page.getByText("and waits for you.").waitFor();
  await picture(admin, "setup-connected");
  assertPictures(NAMES);
});
