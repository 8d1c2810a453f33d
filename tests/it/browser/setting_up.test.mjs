// From nothing to the first call: the link of the first start, an account, a server, the recommended policy, a grant,
// and a real agent whose first call turns the page green. And from a policy that allows to one that refuses: builder,
// review, save, and the agent's next call.
import assert from "node:assert/strict";

import { axe, fits, fitsEverywhere, keyboardOnly, shot, tabTo } from "./stage/checks.mjs";
import { filesServer, PAY_POLICY, payments } from "./stage/office.mjs";
import { EMAIL, firstAdmin, PASSWORD } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";
import { until } from "./stage/wait.mjs";

const TOKEN = /pcl_[0-9A-Za-z]{49}/;

/** Goes through the set-up; the token and the address of the grant that it made. */
async function setUp(stage, gateway, admin, choose = async () => {}, script = true) {
  const { page } = admin;
  const { input, folder } = await filesServer(gateway);
  await admin.open("/");
  await page.getByRole("link", { name: "Begin the set-up" }).click();
  await page.getByRole("link", { name: "As a program" }).click();
  await axe(admin);
  await page.getByLabel("Name", { exact: true }).fill("files");
  // As people type it: the whole command in one line.
  await page.getByLabel("Program and arguments").fill(input.command.map((word) => `'${word}'`).join(" "));
  await page.getByRole("button", { name: "Add the server" }).click();
  await page.waitForURL("**/setup/files**");
  // Nobody looks again: the tools show as soon as the server lists them. Without a script somebody asks.
  if (!script) await page.getByRole("button", { name: "Test connection" }).click();
  await page.getByRole("heading", { name: /^\d+ tools/ }).waitFor();
  await axe(admin);
  await fits(admin);
  await choose(page);
  await shot(admin, "setup-review");
  await page.getByRole("button", { name: "Accept the tools and save the policy" }).click();
  await page.getByLabel("Label").fill("Accounting assistant");
  await axe(admin);
  await page.getByRole("button", { name: "Make the grant" }).click();
  await page.getByRole("heading", { name: /token/i }).first().waitFor();
  const [token] = (await page.locator("#the-token").innerText()).match(TOKEN);
  return { token, folder, url: `${gateway.door}/mcp/files` };
}

/** Nobody said yet what the tools are, and unknown is never harmless: a person lets the first call through. */
async function letThrough(gateway, admin) {
  await until("the call to be held", async () => (await gateway.held()).length === 1);
  await admin.open("/approvals");
  await admin.page.getByRole("link", { name: /read_text_file/ }).click();
  await admin.page.getByRole("button", { name: /^approve/i }).click();
  await admin.page.waitForURL("**/approvals?told=**");
}

scenario("from the first link to the first call of a real agent", async (stage) => {
  const gateway = await stage.gateway();
  const admin = await firstAdmin(stage, gateway);
  const { token, folder, url } = await setUp(stage, gateway, admin, async (page) => {
    await page.getByRole("button", { name: /Take the server’s word/ }).click();
    await page.getByText(/tools are allowed that the server says only read/).waitFor();
    await axe(admin);
  });
  const { page } = admin;
  const text = await page.locator("main").innerText();
  for (const client of ["Claude Code", "Cursor", "VS Code", "Codex", "Gemini", "Zed", "Goose", "OpenCode", "Windsurf"]) {
    assert.ok(text.includes(client), `there is no block for ${client}`);
  }
  assert.ok(text.includes(url), "the blocks name the address");
  await page.getByText("Waiting for the agent…").waitFor();
  await axe(admin);
  await shot(admin, "setup-waiting");
  const agent = await stage.agent(gateway, "files", token, "claude-code");
  // Nobody looks again: the page says by itself that somebody came, then what the first call was.
  await page.getByText("Waiting for the first call…").waitFor();
  const call = agent.call("read_text_file", { path: `${folder}/notes.txt` });
  assert.deepEqual(await call, { text: "words of a note\n", isError: false });
  await page.getByText("The agent is connected.").waitFor();
  await axe(admin);
  await shot(admin, "setup-connected");
  // A tool of which the server says that it writes waits for a person.
  const writes = agent.call("write_file", { path: `${folder}/new.txt`, content: "x" });
  // The page goes on looking after the first call.
  await page.getByText("waits for you").waitFor();
  await axe(admin);
  await page.getByRole("link", { name: "Look at the call and decide" }).click();
  await page.getByLabel("Reason the agent will read").fill("Not now.");
  await page.getByRole("button", { name: "Reject" }).click();
  assert.equal((await writes).isError, true);
  await admin.open("/activity");
  await page.locator("tr", { hasText: "read_text_file" }).getByRole("link").first().click();
  await page.waitForURL("**/activity/**");
  assert.match(await page.locator("main").innerText(), /read_text_file/);
});

scenario("from the first link to the first call without JavaScript", async (stage) => {
  const gateway = await stage.gateway();
  const admin = await firstAdmin(stage, gateway, { script: false });
  const { token, folder } = await setUp(stage, gateway, admin, undefined, false);
  const agent = await stage.agent(gateway, "files", token, "claude-code");
  const call = agent.call("read_text_file", { path: `${folder}/notes.txt` });
  await until("the call to be held", async () => (await gateway.held()).length === 1);
  await admin.page.getByRole("link", { name: "Look again" }).click();
  await admin.page.getByText("waits for you").waitFor();
  await letThrough(gateway, admin);
  assert.deepEqual(await call, { text: "words of a note\n", isError: false });
});

scenario("a server is set up with the keyboard alone", async (stage) => {
  const gateway = await stage.gateway();
  await stage.leave(await firstAdmin(stage, gateway));
  const admin = await stage.visitor(gateway);
  const { page } = admin;
  await keyboardOnly(admin);
  const { input } = await filesServer(gateway);
  const press = async (locator) => {
    await tabTo(admin, locator);
    await page.keyboard.press("Enter");
  };
  const type = async (label, words) => {
    await tabTo(admin, page.getByLabel(label, { exact: true }));
    await page.keyboard.type(words);
  };
  await admin.open("/setup");
  await type("E-mail address", EMAIL);
  await type("Password", PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/setup");
  await press(page.getByRole("link", { name: "As a program" }));
  await page.waitForURL("**/setup?way=command");
  await type("Name", "files");
  await type("Program and arguments", input.command.join("\n"));
  await press(page.getByRole("button", { name: "Add the server" }));
  await page.waitForURL("**/setup/files**");
  await press(page.getByRole("button", { name: "Test connection" }));
  await page.getByRole("heading", { name: /^\d+ tools/ }).waitFor();
  await fitsEverywhere(admin);
  // `j` goes to a tool, `x` ticks it, `a` allows what is ticked.
  const answers = () => page.locator("#rows select[name=answer]").evaluateAll((all) => all.map((one) => one.value));
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.keyboard.press("a");
  assert.deepEqual((await answers()).slice(0, 3), ["recommended", "allow", "recommended"]);
  await press(page.getByRole("button", { name: "Accept the tools and save the policy" }));
  await page.waitForURL("**/grants/new**");
  await type("Label", "Research assistant");
  await press(page.getByRole("button", { name: "Make the grant" }));
  await page.getByText("Waiting for the agent…").waitFor();
  assert.match(await page.locator("#the-token").innerText(), TOKEN);
  await fitsEverywhere(admin);
});

/** An agent that may pay, and pays. */
async function payingAgent(stage, gateway, policy = { ...PAY_POLICY, tests: [] }) {
  const { grant } = await payments(stage, gateway, { policy });
  const agent = await stage.agent(gateway, "pay", grant.token, "claude-code");
  const pay = () => agent.call("pay_invoice", { invoice_id: "inv-1", amount: 12, currency: "EUR" });
  assert.equal((await pay()).isError, false);
  return pay;
}

/** Waits until the newest version is in force, and hands back the answer of a call under it. */
async function refused(pay) {
  const answer = await until("a call that is refused", async () => {
    const found = await pay();
    return found.isError && found;
  });
  assert.match(answer.text, /^\[POLICY DENIED\]/);
}

scenario("a tool is denied in the builder, reviewed, saved, and the next call is refused", async (stage) => {
  const gateway = await stage.gateway();
  const pay = await payingAgent(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  const { page } = admin;
  await admin.open("/policies");
  await axe(admin);
  await page.getByRole("link", { name: "accounting" }).first().click();
  await page.getByRole("option", { name: /pay_invoice/ }).click();
  await axe(admin);
  const field = page.locator("#text");
  const before = await field.inputValue();
  await page.getByRole("radio", { name: "Deny" }).check();
  await until("the text to follow", async () => (await field.inputValue()) !== before);
  const after = JSON.parse(await field.inputValue());
  assert.equal(after.tools.pay_invoice.action, "deny");
  assert.deepEqual(after.tools.send_reminder, JSON.parse(before).tools.send_reminder, "nothing else changed");
  await shot(admin, "builder-denied");
  await page.getByRole("button", { name: "Review and save" }).click();
  await page.waitForURL("**/review**");
  await axe(admin);
  await fits(admin);
  await shot(admin, "review-denied");
  assert.match(await page.locator("main").innerText(), /pay_invoice/);
  await page.getByRole("button", { name: "Save and enforce" }).click();
  await refused(pay);
});

scenario("a policy whose own test fails cannot be saved", async (stage) => {
  const gateway = await stage.gateway();
  const pay = await payingAgent(stage, gateway, PAY_POLICY);
  const admin = await firstAdmin(stage, gateway);
  const { page } = admin;
  await admin.open("/policies/accounting");
  await page.getByRole("option", { name: /pay_invoice/ }).click();
  await page.getByRole("radio", { name: "Deny" }).check();
  await until("the text to follow", async () => /"deny"/.test((await page.locator("#text").inputValue()).split('"pay_invoice"')[1]));
  await page.getByRole("button", { name: "Review and save" }).click();
  await page.waitForURL("**/review**");
  const words = await page.locator("main").innerText();
  assert.match(words, /small payments pass/);
  assert.equal(await page.getByRole("button", { name: /^Save/ }).count(), 0, words);
  assert.equal((await pay()).isError, false, "what was in force stays");
});

scenario("a policy is changed as text without JavaScript, saved, and the next call is refused", async (stage) => {
  const gateway = await stage.gateway();
  const pay = await payingAgent(stage, gateway);
  const admin = await firstAdmin(stage, gateway, { script: false });
  const { page } = admin;
  await admin.open("/policies/accounting");
  const policy = JSON.parse(await page.locator("#text").inputValue());
  policy.tools.pay_invoice.action = "deny";
  await page.locator("#text").fill(JSON.stringify(policy, null, 2));
  await page.getByRole("button", { name: "Review and save" }).click();
  await page.waitForURL("**/review**");
  assert.match(await page.locator("main").innerText(), /pay_invoice/);
  await page.getByLabel("Note").fill("No payments this week.");
  await page.getByRole("button", { name: "Save and enforce" }).click();
  await refused(pay);
});
