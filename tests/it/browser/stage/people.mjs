// People: how the first one makes an account, how others join, and how they sign in, all on the real pages.
import { execFile } from "node:child_process";
import { join as joined } from "node:path";
import { promisify } from "node:util";

import { PRODUCT } from "./places.mjs";

const run = promisify(execFile);

export const EMAIL = "mara@company.example";
export const PASSWORD = "correct horse battery staple";
/** All roles, the mightiest last. */
export const ROLES = ["viewer", "policy_manager", "approver", "admin"];

/** Fills in the form behind a one-time link, and sends it. */
export async function fillAccount(visitor, { email, display, organisation = "Harbour & Sons" }) {
  const { page } = visitor;
  if (email) {
    await page.getByLabel("Organisation").fill(organisation);
    await page.getByLabel("Your e-mail address").fill(email);
  }
  await page.getByLabel("Your name").fill(display);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Password again").fill(PASSWORD);
  await page.getByRole("button", { name: /Make the account|Join/ }).click();
}

/** Somebody who made the first account with the link of the first start, and is signed in. */
export async function firstAdmin(stage, gateway, wish = {}) {
  const link = await gateway.setUpLink();
  const visitor = await stage.visitor(gateway, wish);
  await visitor.page.goto(link);
  await fillAccount(visitor, { email: EMAIL, display: wish.display ?? "Mara Lind" });
  await visitor.page.waitForURL((url) => !url.pathname.startsWith("/welcome"));
  return visitor;
}

/** What a command about people prints. */
async function said(gateway, ...words) {
  const all = ["people", ...words, "--config", joined(gateway.folder, "portcullis.toml")];
  const { stdout } = await run(PRODUCT, all, { cwd: gateway.folder, env: gateway.environment() });
  return stdout.trim();
}

/** A link by which somebody joins, made at the terminal. */
export const invitation = (gateway, email, role) => said(gateway, "invite", email, "--role", role);

/** A link by which somebody chooses another password. */
export const newPassword = (gateway, email) => said(gateway, "new-password", email);

/** The accounts, as the terminal lists them. */
export const people = async (gateway) => JSON.parse(await said(gateway, "list", "--json"));

/** Makes an account with an invitation. */
export async function join(visitor, link, display) {
  await visitor.page.goto(link);
  await fillAccount(visitor, { display });
  await visitor.page.waitForURL((url) => !url.pathname.startsWith("/join"));
}

/** Somebody with a role, who joined and is signed in. */
export async function somebody(stage, gateway, role, wish = {}) {
  const link = await invitation(gateway, `${role.replace("_", ".")}@company.example`, role);
  const visitor = await stage.visitor(gateway, wish);
  await join(visitor, link, wish.display ?? `A ${role.replace("_", " ")}`);
  return visitor;
}

/** Fills in the form of the sign-in page, and sends it. */
export async function signIn(visitor, { email = EMAIL, password = PASSWORD } = {}) {
  const { page } = visitor;
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

export async function signOut(visitor) {
  await visitor.page.getByRole("button", { name: "Sign out" }).click();
  await visitor.page.waitForURL("**/sign-in**");
}
