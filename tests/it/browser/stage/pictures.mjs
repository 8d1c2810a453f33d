// The pictures of the documentation: a part of a page as it is seen first, light and dark, small, and the same in every
// run. What differs from run to run (ids, tokens, ports, folders, how long a call took) is written over before a picture
// is taken; times come from a clock that stands still.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { OUT, PICTURES } from "./places.mjs";
import { small } from "./png.mjs";

const KIBIBYTES_MAX = 150;
const ALL_KIBIBYTES_MAX = 4 * 1024;

/** Where they go: into the documentation when they are wanted, else to the results. */
const FOLDER = PICTURES ?? join(OUT, "pictures");

/** Writes over what differs from run to run. */
function settle() {
  const same = [
    [/\b(apr|grt|usr|req|job|ses)_[0-9a-z]{12,}/g, "$1_3ns52pk78f1fkx7bxsehaj9pea"],
    [/pcl_[0-9A-Za-z]{49}/g, "pcl_4tBzWvQ9m2Xc7LrYp1KdHs6FgJ3NbT8aEuR5oVqZwMxCi0yDn"],
    [/\b[0-9a-f]{32,64}\b/g, "b0ce6f82f6e98b049db9f6ceb913858a"],
    [/\/\S*?\/portcullis-browser-[0-9A-Za-z]+/g, "/srv/portcullis"],
    [/\/\S*\/bin\/node\b/g, "/usr/bin/node"],
    [/\/\S*\/node_modules\//g, "/usr/lib/node_modules/"],
    [/\/\S*\/tool_server\.mjs/g, "/opt/tools/server.mjs"],
    [/127\.0\.0\.1:\d+/g, "127.0.0.1:8643"],
  ];
  const settled = (text) => same.reduce((text, [pattern, word]) => text.replaceAll(pattern, word), text);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let took = 0;
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const text = settled(node.data).replaceAll(/\b\d+(\.\d+)? (ms|µs)\b/g, () => `${(took++ * 5) % 17 + 2} ms`);
    if (text !== node.data) node.data = text;
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]), textarea")) {
    const text = settled(field.value);
    if (text !== field.value) field.value = text;
  }
}

/** Takes a picture of what is open, light and dark. `narrow`: as on a phone. */
export async function picture(visitor, name, { narrow = false, width = narrow ? 390 : 1280, height = narrow ? 780 : 800 } = {}) {
  const { page } = visitor;
  mkdirSync(FOLDER, { recursive: true });
  await page.setViewportSize({ width, height });
  await page.evaluate(settle);
  for (const theme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    const path = join(FOLDER, `${name}-${theme}.png`);
    writeFileSync(path, small(await page.screenshot({ animations: "disabled", caret: "hide" })));
    const kibibytes = statSync(path).size / 1024;
    assert.ok(kibibytes <= KIBIBYTES_MAX, `${path} has ${kibibytes} KiB`);
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
}

/** Removes the pictures of before, so that none stays that nobody takes any more. */
export function forgetPictures() {
  mkdirSync(FOLDER, { recursive: true });
  for (const name of readdirSync(FOLDER, { recursive: false }).filter((name) => name.endsWith(".png"))) {
    rmSync(join(FOLDER, name));
  }
}

/** All pictures that there are are those of these names, and small. */
export function assertPictures(names) {
  const found = readdirSync(FOLDER).filter((name) => name.endsWith(".png"));
  const wanted = names.flatMap((name) => [`${name}-dark.png`, `${name}-light.png`]);
  assert.deepEqual(found.toSorted(), wanted.toSorted());
  const kibibytes = found.reduce((sum, name) => sum + statSync(join(FOLDER, name)).size / 1024, 0);
  assert.ok(kibibytes <= ALL_KIBIBYTES_MAX, `the pictures have ${kibibytes} KiB`);
}
