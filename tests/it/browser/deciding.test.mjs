// A held call is decided by a person in the browser, and the agent that waits gets what was decided: with a mouse, with
// keys alone, without JavaScript, and by two people at the same moment. What changed while the page was open is shown
// before anybody can approve it.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";

import { axe, keyboardOnly, tabTo } from "./stage/checks.mjs";
import { PAY_POLICY, PAY_TOOLS, payments } from "./stage/office.mjs";
import { EMAIL, firstAdmin, PASSWORD, somebody } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";
import { until } from "./stage/wait.mjs";

const LARGE = { invoice_id: "inv-31", amount: 2400, currency: "EUR", recipient: "Harbour Supplies Ltd" };
const approve = ({ page }) => page.getByRole("button", { name: /^approve/i });
const reject = ({ page }) => page.getByRole("button", { name: /^reject/i });
const reason = ({ page }) => page.getByLabel(/reason|why/i).first();
const words = ({ page }) => page.locator("main").innerText();

/** An agent that may pay, and what goes with it. */
async function paying(stage, gateway) {
  const { grant, file } = await payments(stage, gateway);
  const agent = await stage.agent(gateway, "pay", grant.token, "claude-code");
  const pay = (args) => agent.call("pay_invoice", args).then((value) => ({ value }), (error) => ({ error }));
  return { grant, file, pay };
}

/** The pending holds, as soon as there are so many. */
const waiting = (gateway, count) =>
  until(`${count} held calls`, async () => {
    const found = await gateway.held();
    return found.length === count && found;
  });

/** An agent whose call waits for a person: its hold, and what it will answer. */
async function heldCall(stage, gateway) {
  const world = await paying(stage, gateway);
  const answer = world.pay(LARGE);
  const [hold] = await waiting(gateway, 1);
  return { ...world, hold, answer };
}

/** The tools that the server of payments ran. */
const ran = (file) => (existsSync(`${file}.ran`) ? readFileSync(`${file}.ran`, "utf8").trim().split("\n") : []);

async function approved(answer) {
  const { value, error } = await answer;
  assert.equal(error, undefined);
  assert.deepEqual(value, { text: "Paid.", isError: false });
}

scenario("an approved call goes through", async (stage) => {
  const gateway = await stage.gateway();
  const { hold, answer } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  await admin.open("/approvals");
  await axe(admin);
  await admin.page.getByRole("link", { name: /pay_invoice/ }).first().click();
  await admin.page.waitForURL(`**/approvals/${hold.id}**`);
  const text = await words(admin);
  for (const word of ["pay_invoice", "2400", "Harbour Supplies Ltd", "Accounting assistant", "claude-code"]) {
    assert.ok(text.includes(word), `${word} is not to be seen:\n${text}`);
  }
  await axe(admin);
  await approve(admin).click();
  await approved(answer);
  const [state] = await gateway.held("used");
  assert.equal(state.id, hold.id);
});

scenario("a rejected call is refused with the reason that somebody wrote", async (stage) => {
  const gateway = await stage.gateway();
  const { hold, answer } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  await admin.open(`/approvals/${hold.id}`);
  await reason(admin).fill("This supplier was paid yesterday.");
  await reject(admin).click();
  const { value } = await answer;
  assert.equal(value.isError, true);
  assert.match(value.text, /This supplier was paid yesterday\./);
});

scenario("a call is approved without JavaScript", async (stage) => {
  const gateway = await stage.gateway();
  const { hold, answer } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway, { script: false });
  await admin.open(`/approvals/${hold.id}`);
  await approve(admin).click();
  await approved(answer);
});

scenario("somebody signs in, chooses a call and decides, with the keyboard alone", async (stage) => {
  const gateway = await stage.gateway();
  const { pay, answer } = await heldCall(stage, gateway);
  const second = pay({ ...LARGE, invoice_id: "inv-32", amount: 900 });
  const held = await waiting(gateway, 2);
  await stage.leave(await firstAdmin(stage, gateway));
  const admin = await stage.visitor(gateway);
  const { page } = admin;
  await keyboardOnly(admin);
  await admin.open("/approvals");
  await tabTo(admin, page.getByLabel("E-mail address"));
  await page.keyboard.type(EMAIL);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === "/approvals");
  const focused = () => page.evaluate(() => document.activeElement?.closest("tr")?.dataset.id);
  await page.keyboard.press("j");
  const first = await focused();
  await page.keyboard.press("j");
  assert.notEqual(await focused(), first, "j goes to the next call");
  await page.keyboard.press("k");
  assert.equal(await focused(), first, "k goes back");
  // `a` opens the call with the button in focus, and decides nothing; `a` again presses it.
  await page.keyboard.press("a");
  await page.waitForURL(`**/approvals/${first}**`);
  await until("the button to have the focus", () => approve(admin).evaluate((button) => button === document.activeElement));
  assert.equal((await gateway.held()).length, 2, "nothing is decided yet");
  await page.keyboard.press("a");
  await page.waitForURL("**/approvals?told=**");
  const other = held.find(({ id }) => id !== first);
  await page.keyboard.press("j");
  await page.keyboard.press("r");
  await page.waitForURL(`**/approvals/${other.id}**`);
  await until("the reason to have the focus", () => reason(admin).evaluate((field) => field === document.activeElement));
  await page.keyboard.type("Ask Jonas first.");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/approvals?told=**");
  const answers = [await answer, await second].map(({ value }) => value);
  assert.deepEqual(answers.map(({ isError }) => isError).sort(), [false, true]);
  assert.match(answers.find(({ isError }) => isError).text, /Ask Jonas first\./);
});

scenario("of two people who decide at the same moment, one decides and the other is told", async (stage) => {
  const gateway = await stage.gateway();
  const { hold, answer } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  const approver = await somebody(stage, gateway, "approver");
  for (const person of [admin, approver]) {
    person.expecting(409);
    await person.open(`/approvals/${hold.id}`);
  }
  await reason(admin).fill("Not this one.");
  // Sent as forms are, at once: a click would wait for a button that news of the other's decision disables.
  const send = async ({ page }, id) => {
    const answer = page.waitForResponse((response) => response.request().method() === "POST");
    await page.evaluate((id) => document.getElementById(id).requestSubmit(), id);
    return (await answer).status();
  };
  const statuses = await Promise.all([send(approver, "approve"), send(admin, "reject")]);
  assert.deepEqual([...statuses].sort(), [303, 409], "one decision stands");
  const { value } = await answer;
  const isApproved = statuses[0] === 303;
  assert.equal(value.isError, !isApproved, "the agent got what was decided");
  const loser = isApproved ? admin : approver;
  await loser.page.locator("#again").waitFor();
  const told = await words(loser);
  assert.match(told, /Nothing was decided by you/);
  assert.ok(told.includes(isApproved ? "approver@company.example" : EMAIL), `who was faster is named: ${told}`);
  assert.equal(await approve(loser).count(), 0, "there is nothing left to press");
  await axe(loser);
});

scenario("whoever has a call open hears that somebody else decided it", async (stage) => {
  const gateway = await stage.gateway();
  const { hold } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  await admin.open(`/approvals/${hold.id}`);
  await gateway.api("POST", `approvals/${hold.id}/reject`, { reason: "Not now." });
  await admin.page.getByText("This call is decided").waitFor();
  assert.ok(await approve(admin).isDisabled());
  await axe(admin);
  await admin.page.getByRole("link", { name: "Show" }).click();
  await admin.page.getByText("Not now.").waitFor();
});

/** Approves what is shown and is told that it is no longer so; nothing is decided. */
async function approvesBlindly(admin, gateway, hold) {
  admin.expecting(412);
  const answer = admin.page.waitForResponse((response) => response.request().method() === "POST");
  await approve(admin).click();
  assert.equal((await answer).status(), 412);
  await admin.page.getByText("This is how it stands now").waitFor();
  const [still] = await gateway.held();
  assert.equal(still?.id, hold.id, "nothing is decided");
  await axe(admin);
}

scenario("a call whose policy changed while its page was open is shown again before it is approved", async (stage) => {
  const gateway = await stage.gateway();
  const { hold, answer } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  await admin.open(`/approvals/${hold.id}`);
  await gateway.changePolicy("accounting", { ...PAY_POLICY, description: "Another one." });
  await approvesBlindly(admin, gateway, hold);
  assert.match(await words(admin), /accounting, version 2/);
  // As it stands now it may be approved, and the call goes through.
  await approve(admin).click();
  await approved(answer);
});

scenario("a call whose tool changed while its page was open cannot be let through", async (stage) => {
  const gateway = await stage.gateway();
  const { hold, answer, file } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  await admin.open(`/approvals/${hold.id}`);
  const changed = PAY_TOOLS.map((tool) => ({ ...tool, description: `${tool.description} To anybody.` }));
  await gateway.write(file.split("/").at(-1), JSON.stringify({ tools: changed }));
  await gateway.inspect("pay");
  await approvesBlindly(admin, gateway, hold);
  assert.match(await words(admin), /definition changed/);
  await approve(admin).click();
  const { value } = await answer;
  assert.equal(value.isError, true, JSON.stringify(value));
  assert.deepEqual(ran(file), [], "nothing ran");
});

scenario("a call of critical risk takes the password again, and is decided after that", async (stage) => {
  const at = (time) => ({ clock: `2026-03-02 ${time}`, shown: `2026-03-02T${time}Z` });
  const [begin, later] = [at("09:00:00"), at("09:06:00")];
  const gateway = await stage.gateway({ at: begin.clock });
  // The operator said that the tool moves money, which is critical as a rule.
  const { hold, answer, file } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway, { at: gateway.now() });
  const { page } = admin;
  await gateway.turnTo(later.clock);
  await page.clock.setFixedTime(new Date(later.shown));
  await admin.open(`/approvals/${hold.id}`);
  assert.match(await words(admin), /Critical/);
  await approve(admin).click();
  await page.waitForURL("**/step-up?**");
  assert.deepEqual((await gateway.held()).map(({ id }) => id), [hold.id], "nothing is decided");
  await axe(admin);
  await page.getByLabel("Password").fill(`${PASSWORD} not`);
  admin.expecting(401, 403, 422);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.locator("#wrong").waitFor();
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.waitForURL(`**/approvals/${hold.id}**`);
  assert.equal((await gateway.held()).length, 1, "the password alone decides nothing");
  assert.deepEqual(ran(file), []);
  await approve(admin).click();
  await approved(answer);
});

scenario("a call whose grant was revoked while its page was open cannot be let through", async (stage) => {
  const gateway = await stage.gateway();
  const { hold, grant, file } = await heldCall(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  await admin.open(`/approvals/${hold.id}`);
  await gateway.api("POST", `grants/${grant.id}/revoke`);
  admin.expecting(409, 412);
  const said = admin.page.waitForResponse((response) => response.request().method() === "POST");
  await admin.page.evaluate(() => document.getElementById("approve").requestSubmit());
  assert.ok([409, 412].includes((await said).status()));
  assert.match(await words(admin), /Nothing was decided/);
  await until("the grant to be refused", async () => {
    const answer = await gateway.post("pay", grant.token, { jsonrpc: "2.0", id: 1, method: "ping" });
    return answer.status === 401;
  });
  assert.deepEqual(ran(file), [], "nothing ran");
});

scenario("a viewer sees a held call and cannot decide it", async (stage) => {
  const gateway = await stage.gateway();
  const { hold } = await heldCall(stage, gateway);
  await stage.leave(await firstAdmin(stage, gateway));
  const viewer = await somebody(stage, gateway, "viewer");
  await viewer.open(`/approvals/${hold.id}`);
  assert.match(await words(viewer), /pay_invoice/);
  assert.equal(await viewer.page.getByRole("button", { name: /approve|reject/i }).count(), 0);
});
