// Every page of the table, as every role, light and dark, on a wide and on a narrow screen: accessible, nothing cut off,
// little script, no control that would be refused, and a picture of it.
import assert from "node:assert/strict";

import { axe, everyLook, fits, scriptBytes } from "./stage/checks.mjs";
import { office } from "./stage/office.mjs";
import { formOf, LOOKED_AT, PAGES, pathOf, SIGN_ON } from "./stage/pages.mjs";
import { firstAdmin, ROLES, somebody } from "./stage/people.mjs";
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
        await fits(person);
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
      await admin.page.setViewportSize({ width: 390, height: 844 });
      await fits(admin);
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

scenario("a page that is not there says so", async (stage) => {
  const gateway = await stage.gateway();
  const admin = (await firstAdmin(stage, gateway)).expecting(404);
  for (const path of ["/no-such-page", "/servers/none", "/grants/none", "/activity/999999999"]) {
    const answer = await admin.open(path);
    assert.equal(answer.status(), 404, path);
    await axe(admin);
  }
});
