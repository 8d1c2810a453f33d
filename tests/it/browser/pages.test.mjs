// Every page of the table, as every role, light and dark, on a wide and on a narrow screen: accessible, nothing cut off,
// little script, no control that would be refused, and a picture of it.
import assert from "node:assert/strict";

import { axe, everyLook, fitsEverywhere, scriptBytes } from "./stage/checks.mjs";
import { filesServer, office } from "./stage/office.mjs";
import { formOf, LOOKED_AT, PAGES, pathOf, SIGN_ON } from "./stage/pages.mjs";
import { firstAdmin, PASSWORD, ROLES, somebody } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";

/** Pages that an account that is signed in does not see; signing in and joining have tests of their own. */
const OUTSIDE = ["/sign-in", "/welcome/{link}", "/join/{link}", "/new-password/{link}"];
const INSIDE = LOOKED_AT.filter(({ path }) => !OUTSIDE.includes(path));

const fileName = (path) => path.replaceAll(/[^a-z0-9]+/gi, "-").replaceAll(/^-|-$/g, "") || "overview";

/** Every form of the page sends to a line of the table, and somebody of this role may send it. */
async function controlsAreAllowed(visitor, role) {
  const actions = await visitor.page.$$eval("form[method=post]", (forms) =>
    forms.flatMap((form) => [
      new URL(form.action).pathname,
      ...[...form.querySelectorAll("[formaction]")].map((button) => new URL(button.formAction).pathname),
    ]),
  );
  for (const action of actions) {
    assert.equal(formOf(action).roles[role], "may", `${visitor.where()} offers ${action} to a ${role}`);
  }
}

scenario("every page, for every role", async (stage, t) => {
  assert.ok(INSIDE.length > 0, "the table of pages names none");
  const gateway = await stage.gateway();
  const found = await office(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  const paths = await found.names(admin);
  for (const pattern of INSIDE.filter(({ roles }) => roles.admin === "may")) {
    await stage.part(t, `${pattern.path} as admin`, admin, async (part) => {
      const path = pathOf(pattern.path, paths);
      const bytes = await scriptBytes(admin, path);
      part.diagnostic(`${pattern.path}: ${bytes} bytes of script`);
      assert.equal(await admin.page.locator("h1").count(), 1, "a page has one heading");
      await controlsAreAllowed(admin, "admin");
      await everyLook(admin, part, fileName(pattern.path));
    });
  }
  for (const role of ROLES.filter((role) => role !== "admin")) {
    const person = await somebody(stage, gateway, role);
    for (const { path, roles } of INSIDE) {
      await stage.part(t, `${path} as ${role}`, person, async () => {
        const may = roles[role] === "may";
        if (!may) person.expecting(403);
        const answer = await person.open(pathOf(path, paths));
        assert.equal(answer.status(), may ? 200 : 403);
        await controlsAreAllowed(person, role);
        await axe(person);
        await fitsEverywhere(person);
      });
    }
    await stage.leave(person);
  }
});

scenario("every page without JavaScript", async (stage, t) => {
  const gateway = await stage.gateway();
  const found = await office(stage, gateway);
  const admin = await firstAdmin(stage, gateway, { script: false });
  const paths = await found.names(admin);
  for (const { path, roles } of INSIDE.filter(({ roles }) => roles.admin === "may")) {
    assert.ok(roles);
    await stage.part(t, path, admin, async () => {
      await admin.open(pathOf(path, paths));
      const words = await admin.page.locator("main").innerText();
      assert.ok(words.trim().length > 20, `the page says nothing: ${words}`);
      await fitsEverywhere(admin);
    });
  }
});

scenario("without an issuer of sign-on there is no way through one", async (stage) => {
  const gateway = await stage.gateway();
  const admin = (await firstAdmin(stage, gateway)).expecting(404);
  const guest = (await stage.visitor(gateway)).expecting(404);
  for (const path of SIGN_ON) {
    assert.ok(PAGES.some((page) => page.path === path), `${path} is in the table of pages`);
    for (const visitor of [admin, guest]) {
      const answer = await visitor.open(path);
      assert.equal(answer.status(), 404, path);
      assert.match(await visitor.page.locator("main").innerText(), /There is no sign-on here/);
      await axe(visitor);
    }
  }
  await guest.open("/sign-in");
  assert.equal(await guest.page.locator("a[href^='/sign-in/on']").count(), 0, "nothing offers it");
});

scenario("every page before anything is there", async (stage, t) => {
  const gateway = await stage.gateway();
  const admin = await firstAdmin(stage, gateway);
  for (const { path } of INSIDE.filter(({ path, roles }) => roles.admin === "may" && !path.includes("{"))) {
    await stage.part(t, path, admin, async (part) => {
      await admin.open(path);
      await everyLook(admin, part, `first-${fileName(path)}`);
    });
  }
});

/** Lists that are filtered to nothing, and pages that show more than their plain address does. */
const OTHERWISE = {
  "activity-of-nothing": "/activity?tool=nothing",
  "server-of-nothing": "/servers/mail?q=nothing",
  "grants-of-nothing": "/grants?q=nothing",
  "inventory-of-nothing": "/inventory/{id}?q=nothing",
  "deeds-of-nothing": "/deeds?actor=nobody",
  "approvals-decided": "/approvals?state=decided",
  "grants-new-after-set-up": "/grants/new?server=pay&setup=1",
  "builder-rule-from-call": "/policies/accounting?from={seq}",
  "builder-test-from-call": "/policies/accounting?from={seq}&as=test",
  "playground-answer": "/playground?from={seq}",
  "setup-program": "/setup?way=command",
  "setup-paste": "/setup?way=paste",
};

scenario("pages in their other states", async (stage, t) => {
  const gateway = await stage.gateway();
  const found = await office(stage, gateway);
  const admin = await firstAdmin(stage, gateway);
  const names = await found.names(admin);
  for (const [name, path] of Object.entries(OTHERWISE)) {
    await stage.part(t, name, admin, async (part) => {
      await scriptBytes(admin, path.replaceAll(/\{(\w+)\}/g, (_whole, word) => encodeURIComponent(names[word])));
      await everyLook(admin, part, name);
    });
  }
  await stage.part(t, "a token, and the blocks of all clients", admin, async (part) => {
    await admin.open("/grants/new?server=pay");
    await admin.page.getByLabel("Label").fill("Another assistant");
    await admin.page.getByRole("button", { name: "Make the grant" }).click();
    await admin.page.getByRole("heading", { name: /token/i }).first().waitFor();
    for (const block of await admin.page.locator("details").all()) await block.evaluate((details) => { details.open = true; });
    await everyLook(admin, part, "grant-made");
  });
  await stage.part(t, "a server that is not reached", admin, async (part) => {
    const { input } = await filesServer(gateway);
    await gateway.api("POST", "servers", { ...input, slug: "gone", command: ["/no/such/program"] });
    await admin.open("/servers/gone");
    await admin.page.getByRole("button", { name: "Test connection" }).click();
    await admin.page.getByRole("alert").or(admin.page.locator(".notice.bad")).first().waitFor();
    for (const path of ["/servers/gone", "/servers", "/setup/gone", "/health", "/"]) {
      await admin.open(path);
      await everyLook(admin, part, `failing-${fileName(path)}`);
    }
  });
});

scenario("a decision that takes the password asks for it in its place, and loses nothing", async (stage, t) => {
  const at = "2026-11-02 09:00:00";
  const later = "2026-11-02 09:20:00";
  const gateway = await stage.gateway({ at });
  const { held } = await office(stage, gateway);
  const admin = await firstAdmin(stage, gateway, { at: new Date(`${at.replace(" ", "T")}Z`) });
  const { page } = admin;
  await gateway.turnTo(later);
  await page.clock.setFixedTime(new Date(`${later.replace(" ", "T")}Z`));
  const refund = held.find(({ name }) => name === "refund_payment");
  admin.expecting(403, 401, 422);
  await admin.open(`/approvals/${refund.id}`);
  await page.getByLabel("Reason the agent will read").fill("Not without the receipt.");
  await page.getByRole("button", { name: "Reject" }).click();
  await page.getByRole("heading", { name: "Your password again" }).waitFor();
  await everyLook(admin, t, "step-up-in-place");
  await page.getByLabel("Password").fill("not the password at all");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByRole("alert").waitFor();
  await everyLook(admin, t, "step-up-wrong");
  assert.equal((await gateway.held()).length, 2, "nothing is decided");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByRole("heading", { name: "Send it now?" }).waitFor();
  await everyLook(admin, t, "kept-proved");
  await page.getByRole("button", { name: "Send it" }).click();
  await page.waitForURL("**/approvals?told=**");
  assert.equal((await gateway.held()).length, 1, "that one is decided");
});

scenario("a form that is sent after its session ended is shown and kept", async (stage, t) => {
  const gateway = await stage.gateway();
  await office(stage, gateway);
  const admin = (await firstAdmin(stage, gateway)).expecting(401, 403);
  await admin.open("/grants/new?server=pay");
  await admin.page.getByLabel("Label").fill("Kept assistant");
  // The session is over; the browser is one that somebody signed in with before.
  await admin.context.clearCookies({ name: "__Host-portcullis" });
  await admin.page.getByRole("button", { name: "Make the grant" }).click();
  await admin.page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await everyLook(admin, t, "kept-signed-out");
  assert.match(await admin.page.locator("main").innerText(), /Kept assistant/);
});

scenario("a page that is not there says so", async (stage) => {
  const gateway = await stage.gateway();
  const admin = (await firstAdmin(stage, gateway)).expecting(404);
  for (const path of ["/no-such-page", "/servers/none", "/grants/none", "/activity/999999999"]) {
    const answer = await admin.open(path);
    assert.equal(answer.status(), 404, path);
    await axe(admin);
    await fitsEverywhere(admin);
  }
});

scenario("an address that takes a form says so to whoever opens it", async (stage, t) => {
  const gateway = await stage.gateway();
  const admin = (await firstAdmin(stage, gateway)).expecting(405);
  const answer = await admin.open("/sign-out");
  assert.equal(answer.status(), 405);
  assert.match(await admin.page.locator("main").innerText(), /Status 405/);
  await everyLook(admin, t, "trouble-405");
});

scenario("settings that somebody else changed meanwhile are not overwritten", async (stage, t) => {
  const gateway = await stage.gateway();
  await office(stage, gateway);
  const admin = (await firstAdmin(stage, gateway)).expecting(409, 412);
  await admin.open("/servers/pay");
  await admin.page.locator("#refresh_seconds").fill("90");
  await admin.page.locator("input[name=revision]").evaluate((field) => { field.value = "1"; });
  await admin.page.getByRole("button", { name: "Save the settings" }).click();
  await admin.page.getByText("Nothing was saved.").waitFor();
  await everyLook(admin, t, "trouble-412");
});
