// The one place that waits for something outside the browser: looks again and again, for a bounded time.
import { setTimeout as pause } from "node:timers/promises";

/** Seconds that anything may take on a loaded machine. */
export const PATIENCE_SECONDS_MAX = 60;
const LOOK_EVERY_MILLISECONDS = 40;

/** The first value of `look` that is neither `undefined`, `null` nor `false`; fails when there is none in time. */
export async function until(what, look, seconds = PATIENCE_SECONDS_MAX) {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await pause(LOOK_EVERY_MILLISECONDS);
  }
}
