// The way in and out: the one-time link of the first start, signing in, signing out, and where somebody is led
// afterwards. As people do it, and as somebody who wants to get in.
import assert from "node:assert/strict";

import { axe, everyLook, keyboardOnly, scriptBytes, tabTo } from "./stage/checks.mjs";
import { EMAIL, fillAccount, firstAdmin, invitation, join, newPassword, PASSWORD, ROLES, signIn, signOut } from "./stage/people.mjs";
import { scenario } from "./stage/stage.mjs";

const COOKIE = "__Host-portcullis";
const cookieOf = async (visitor) => (await visitor.context.cookies()).find(({ name }) => name === COOKIE);

scenario("the link of the first start makes the first administrator, once", async (stage, t) => {
  const gateway = await stage.gateway();
  const link = await gateway.setUpLink();
  const first = await stage.visitor(gateway);
  await scriptBytes(first, link);
  await everyLook(first, t, "welcome");
  await fillAccount(first, { email: EMAIL, display: "Mara" });
  await first.page.waitForURL((url) => !url.pathname.startsWith("/welcome"));
  assert.ok(await cookieOf(first), "signed in afterwards");
  await stage.leave(first);

  const second = (await stage.visitor(gateway)).expecting(403, 404, 409, 410, 422);
  const answer = await second.page.goto(link);
  assert.ok(answer.status() >= 400, `the link opens twice: ${answer.status()}`);
  assert.equal(await second.page.locator("input[type=password]").count(), 0);
});

scenario("signing in and out, with the keyboard alone", async (stage, t) => {
  const gateway = await stage.gateway();
  await stage.leave(await firstAdmin(stage, gateway));
  const person = await stage.visitor(gateway);
  await keyboardOnly(person);
  await person.open("/activity?verdict=deny");
  assert.match(person.where(), /^\/sign-in\?next=/);
  await everyLook(person, t, "sign-in");
  await scriptBytes(person, person.where());
  const { page } = person;
  await tabTo(person, page.locator("input[type=email]"));
  await page.keyboard.type(EMAIL);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/activity?verdict=deny");
  const cookie = await cookieOf(person);
  assert.deepEqual(
    { httpOnly: cookie.httpOnly, secure: cookie.secure, path: cookie.path },
    { httpOnly: true, secure: true, path: "/" },
  );
  await tabTo(person, page.getByRole("button", { name: "Sign out" }));
  await page.keyboard.press("Enter");
  await page.waitForURL("**/sign-in**");
  assert.equal(await cookieOf(person), undefined);
  await person.context.addCookies([{ ...cookie, domain: cookie.domain }]);
  await person.open("/");
  assert.match(person.where(), /^\/sign-in/, "the session is over, not only the cookie gone");
});

scenario("a session is another one after signing in, and one fixed before opens nothing", async (stage) => {
  const gateway = await stage.gateway();
  await stage.leave(await firstAdmin(stage, gateway));
  const person = await stage.visitor(gateway);
  const fixed = { name: COOKIE, value: "pcl_chosen-by-somebody-else", url: gateway.origin.replace("http:", "https:"), secure: true };
  await person.context.addCookies([{ ...fixed, path: undefined }]).catch(() => {});
  await person.open("/sign-in");
  await signIn(person);
  assert.notEqual((await cookieOf(person)).value, fixed.value);
});

scenario("signing in leads nowhere else", async (stage) => {
  const gateway = await stage.gateway();
  await stage.leave(await firstAdmin(stage, gateway));
  const places = ["https://elsewhere.invalid/", "//elsewhere.invalid/", "/\\elsewhere.invalid", "javascript:alert(1)", "/%2f%2felsewhere.invalid"];
  const person = await stage.visitor(gateway);
  for (const place of places) {
    await person.open(`/sign-in?next=${encodeURIComponent(place)}`);
    await signIn(person);
    assert.equal(new URL(person.page.url()).origin, gateway.origin, place);
    await signOut(person);
  }
});

scenario("a wrong password says nothing of the account, and the form keeps the address", async (stage) => {
  const gateway = await stage.gateway();
  await stage.leave(await firstAdmin(stage, gateway));
  const person = (await stage.visitor(gateway)).expecting(401, 403, 422, 429);
  const said = [];
  for (const email of [EMAIL, "nobody@company.example"]) {
    await person.open("/sign-in");
    await person.page.locator("input[type=email]").fill(email);
    await person.page.locator("input[type=password]").fill("not the password at all");
    await person.page.getByRole("button", { name: "Sign in" }).click();
    await person.page.locator("[role=alert], .wrong, .notice.bad").first().waitFor();
    await axe(person);
    assert.equal(await person.page.locator("input[type=email]").inputValue(), email);
    assert.equal(await person.page.locator("input[type=password]").inputValue(), "");
    said.push((await person.page.locator("[role=alert], .wrong, .notice.bad").first().innerText()).trim());
  }
  assert.equal(said[0], said[1], "the same words, whether there is such an account or not");
  assert.equal(await cookieOf(person), undefined);
});

scenario("an invitation makes an account of its role, once", async (stage, t) => {
  const gateway = await stage.gateway();
  await stage.leave(await firstAdmin(stage, gateway));
  for (const role of ROLES) {
    const link = await invitation(gateway, `${role}@company.example`, role);
    const person = await stage.visitor(gateway);
    await scriptBytes(person, link);
    if (role === ROLES[0]) await everyLook(person, t, "join");
    await join(person, link, role);
    const who = await person.page.locator(".who").innerText();
    assert.match(who.toLowerCase().replaceAll(" ", "_"), new RegExp(role), who);
    await stage.leave(person);
    const late = (await stage.visitor(gateway)).expecting(403, 404, 409, 410, 422);
    const answer = await late.page.goto(link);
    assert.ok(answer.status() >= 400, `the invitation of a ${role} opens twice: ${answer.status()}`);
    await stage.leave(late);
  }
});

scenario("another password ends all sessions, and is the one that opens", async (stage, t) => {
  const gateway = await stage.gateway();
  const before = await firstAdmin(stage, gateway);
  const person = (await stage.visitor(gateway)).expecting(403, 404, 409, 410, 422);
  const link = await newPassword(gateway, EMAIL);
  await scriptBytes(person, link);
  await everyLook(person, t, "new-password");
  const other = "another horse, another staple";
  await person.page.getByLabel("Password", { exact: true }).fill(other);
  await person.page.getByLabel("Password again").fill(other);
  await person.page.getByRole("button", { name: "Set the password" }).click();
  await person.page.waitForURL((url) => !url.pathname.startsWith("/new-password"));
  await before.open("/");
  assert.match(before.where(), /^\/sign-in/, "the session of before is over");
  await signIn(before, { password: other });
  assert.equal(before.where(), "/");
  assert.ok((await person.page.goto(link)).status() >= 400, "the link opens twice");
});
