// What every page has: light or dark as somebody chose, and keys.
import assert from "node:assert/strict";

import { axe } from "./stage/checks.mjs";
import { firstAdmin, signOut } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";

const ground = ({ page }) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

scenario("pages are light or dark as somebody chose, before the sign-in too", async (stage) => {
  const gateway = await stage.gateway();
  const admin = await firstAdmin(stage, gateway);
  const { page } = admin;
  await admin.open("/account");
  const light = await ground(admin);
  await page.getByRole("button", { name: "Dark" }).click();
  await page.waitForURL("**/account");
  const dark = await ground(admin);
  assert.notEqual(dark, light);
  await axe(admin);
  assert.equal(await page.getByRole("button", { name: "Dark" }).getAttribute("aria-pressed"), "true");
  await admin.open("/activity");
  assert.equal(await ground(admin), dark);
  await signOut(admin);
  assert.equal(await ground(admin), dark, "the page of the sign-in is dark too");
});

scenario("keys lead to pages, and a sheet of them opens and closes", async (stage) => {
  const gateway = await stage.gateway();
  const admin = await firstAdmin(stage, gateway);
  const { page } = admin;
  await admin.open("/settings");
  const sheet = page.getByRole("dialog", { name: "Keys" });
  await page.keyboard.press("?");
  await sheet.waitFor();
  await axe(admin);
  await page.keyboard.press("Escape");
  await sheet.waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Keys: ?" }).click();
  await sheet.getByRole("button", { name: "Close" }).click();
  await sheet.waitFor({ state: "hidden" });
  await page.keyboard.press("g");
  await page.keyboard.press("p");
  await page.waitForURL("**/policies");
  // Whoever types in a field goes nowhere.
  await page.getByLabel("Name").fill("gs?");
  await page.getByLabel("Name").press("g");
  await page.getByLabel("Name").press("s");
  assert.equal(await page.getByLabel("Name").inputValue(), "gs?gs");
  assert.equal(admin.where(), "/policies");
  assert.ok(await sheet.isHidden());
});

scenario("without JavaScript nothing offers keys", async (stage) => {
  const gateway = await stage.gateway();
  const admin = await firstAdmin(stage, gateway, { script: false });
  await admin.open("/");
  assert.equal(await admin.page.getByText("Keys").filter({ visible: true }).count(), 0);
});
