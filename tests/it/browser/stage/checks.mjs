// What must be true of every page, whatever it shows: accessible, nothing cut off, little script, and a picture of it.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { DRIVERS, OUT, packaged } from "./places.mjs";

const AXE = readFileSync(packaged(DRIVERS, "axe-core/axe.min.js"), "utf8");
/** Impacts that are faults; the lesser ones are shown in the report of the test. */
const GRAVE = ["serious", "critical"];
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** Kibibytes of script that a page may load. */
const SCRIPT_KIBIBYTES_MAX = 50;
/** How often a person would press Tab before giving up. */
const TABS_MAX = 400;

/** Fails on grave findings of axe-core; hands back the lesser ones. */
export async function axe(visitor) {
  const { page } = visitor;
  // It is a script itself: a page without JavaScript is looked at by `fits` and by what it says.
  if (!visitor.script) return [];
  await page.evaluate(AXE);
  const violations = await page.evaluate(async (values) => {
    const results = await globalThis.axe.run(document, {
      runOnly: { type: "tag", values },
      resultTypes: ["violations"],
    });
    return results.violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      nodes: nodes.slice(0, 5).map((node) => `${node.target.join(" ")} :: ${node.failureSummary}`),
    }));
  }, RULES);
  const grave = violations.filter(({ impact }) => GRAVE.includes(impact));
  assert.deepEqual(grave, [], `axe-core about ${visitor.where()}`);
  return violations.map(({ id, impact, nodes }) => `${impact}: ${id}: ${nodes[0]}`);
}

/** Fails when the page is wider than the window, or when an element cuts off its own text. */
export async function fits(visitor) {
  const found = await visitor.page.evaluate(() => {
    const faults = [];
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth) {
      const wide = [...document.body.querySelectorAll("*")].filter((element) => {
        const box = element.getBoundingClientRect();
        return box.right > innerWidth + 1 && box.width > 0;
      });
      const names = wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
      faults.push(`the page is ${root.scrollWidth} px wide in a window of ${innerWidth}: ${names.join(" | ")}`);
    }
    // What stands in a panel stays within its frame, unless it scrolls there.
    for (const element of document.querySelectorAll(".panel *, .notice *")) {
      const frame = element.parentElement.closest(".panel, .notice, .scroll, pre, .rows, .code-edit, .away");
      const box = element.getBoundingClientRect();
      if (!frame?.matches(".panel, .notice") || box.width <= 2 || getComputedStyle(element).position === "absolute") continue;
      const edge = frame.getBoundingClientRect().right;
      if (box.right > edge + 1) faults.push(`${Math.round(box.right - edge)} px outside of its frame: ${element.outerHTML.slice(0, 200)}`);
    }
    for (const element of document.body.querySelectorAll("*")) {
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      // What only a screen reader should find is a pixel large, or clipped away, on purpose.
      const away = box.width <= 2 || box.height <= 2 || style.clipPath !== "none" || style.clip !== "auto";
      if (away || style.visibility === "hidden") continue;
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      if (!own && element.children.length > 0) continue;
      const cuts = (value) => value === "hidden" || value === "clip";
      const wide = cuts(style.overflowX) && element.scrollWidth > element.clientWidth + 1;
      const high = cuts(style.overflowY) && element.scrollHeight > element.clientHeight + 2;
      // A shortened text is whole in its title.
      const told = style.textOverflow === "ellipsis" && element.closest("[title]");
      if ((wide || high) && !told) faults.push(`cut off: ${element.outerHTML.slice(0, 200)}`);
    }
    return faults;
  });
  assert.deepEqual(found, [], `what fits on ${visitor.where()} at ${visitor.page.viewportSize().width} px`);
}

/** Opens a page and fails when it loads more script than allowed; the bytes as they were transferred. */
export async function scriptBytes(visitor, path) {
  const session = await visitor.context.newCDPSession(visitor.page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  const scripts = new Set();
  let bytes = 0;
  session.on("Network.responseReceived", ({ requestId, type }) => {
    if (type === "Script") scripts.add(requestId);
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) bytes += encodedDataLength;
  });
  await visitor.open(path);
  await session.detach();
  assert.ok(bytes <= SCRIPT_KIBIBYTES_MAX * 1024, `${path} loads ${bytes} bytes of script`);
  return bytes;
}

/** Lets the person use nothing but the keyboard from now on: any press of a pointer is a fault. */
export async function keyboardOnly(visitor) {
  await visitor.context.addInitScript(() => {
    addEventListener("pointerdown", () => console.error("a pointer was used"), { capture: true });
  });
}

/** What has the focus, as a person would name it. */
async function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return {
      html: element.outerHTML.slice(0, 160),
      // The ring may be around the element, or around the label or row that it fills.
      ring: style.outlineStyle !== "none" || style.boxShadow !== "none",
      seen: box.bottom > 0 && box.top < innerHeight && box.width > 0 && box.height > 0,
    };
  });
}

/** Presses Tab until `locator` has the focus. Every stop on the way must be seen and have a ring. */
export async function tabTo(visitor, locator) {
  const { page } = visitor;
  for (let pressed = 0; pressed < TABS_MAX; pressed += 1) {
    const there = await locator.evaluate((element) => element === document.activeElement);
    if (there) return;
    await page.keyboard.press("Tab");
    const stop = await focused(page);
    if (!stop) continue;
    assert.ok(stop.ring, `the focus is not to be seen on ${stop.html} of ${visitor.where()}`);
    assert.ok(stop.seen, `the focus is outside of the window on ${stop.html} of ${visitor.where()}`);
  }
  assert.fail(`${TABS_MAX} times Tab did not reach ${locator} on ${visitor.where()}`);
}

/** Takes a picture of the whole page, below the folder of results. */
export async function shot(visitor, name) {
  const folder = join(OUT, "shots");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.png`);
  await visitor.page.screenshot({ path, fullPage: true, animations: "disabled", caret: "hide" });
}

/** Windows that a page must fit: a wide one, a laptop's, a phone's. */
export const WIDTHS = [1440, 1280, 390];
/** Light and dark, on a wide and on a narrow screen. */
const LOOKS = ["light", "dark"].flatMap((theme) => [1440, 390].map((width) => ({ theme, width })));
const heightOf = (width) => (width === 390 ? 844 : 900);

/** The open page fits each of the windows. */
export async function fitsEverywhere(visitor) {
  for (const width of WIDTHS) {
    await visitor.page.setViewportSize({ width, height: heightOf(width) });
    await fits(visitor);
  }
  await visitor.page.setViewportSize({ width: 1440, height: 900 });
}

/** The open page in every look: accessible, nothing cut off, and a picture. */
export async function everyLook(visitor, t, name) {
  const { page } = visitor;
  for (const { theme, width } of LOOKS) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: heightOf(width) });
    await shot(visitor, `${name}-${theme}-${width}`);
    for (const finding of await axe(visitor)) t.diagnostic(`${name} ${theme} ${width}: ${finding}`);
    if (width === WIDTHS[0]) await fitsEverywhere(visitor);
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await page.setViewportSize({ width: 1440, height: 900 });
}
