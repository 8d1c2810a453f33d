// Where things are that the tests need: the build, the tools that `cargo xtask` installs, the browser, and the
// folder for what a failed test leaves behind. Handed over by `cargo xtask test browser` in the environment.
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";

const named = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`cargo xtask test browser\``);
  return value;
};

const present = (path) => {
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`cargo xtask test browser\``);
  return path;
};

/** The product under test. */
export const PRODUCT = present(join(named("PORTCULLIS_BUILD"), "portcullis"));
/** The npm packages of the peers: SDK and published servers. */
export const PEERS = present(join(named("PORTCULLIS_TOOLS"), "npm"));
/** The npm packages of the browser tests. */
export const DRIVERS = present(join(named("PORTCULLIS_TOOLS"), "browser"));
/** The browser's program. */
export const BROWSER = process.env.PATH.split(delimiter)
  .map((folder) => join(folder, named("PORTCULLIS_BROWSER")))
  .find((path) => existsSync(path));
/** Where pictures and what a failed test leaves go. */
export const OUT = named("PORTCULLIS_OUT");
/** Where the pictures of the documentation go; nowhere in a usual run. */
export const PICTURES = process.env.PORTCULLIS_PICTURES || undefined;
/** Node.js of the pinned version. */
export const NODE = process.execPath;

mkdirSync(OUT, { recursive: true });

/** A module of an installed package. */
export async function load(folder, name) {
  const require = createRequire(join(folder, "package.json"));
  return import(pathToFileURL(require.resolve(name)).href);
}

/** A file of an installed package. */
export const packaged = (folder, path) => present(join(folder, "node_modules", path));
