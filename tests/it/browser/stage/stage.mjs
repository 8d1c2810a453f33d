// A scenario on a stage: gateways, servers and people with browsers, all ended when it ends. Every page is watched:
// a violation of the content security policy, an error on the console, an error of a script, a dialog, a request to
// another origin, or a failed request of our own fails the scenario, also when all its steps were right.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";

import { Agent } from "./agent.mjs";
import { Gateway } from "./gateway.mjs";
import { BROWSER, DRIVERS, load, NODE, OUT, PEERS } from "./places.mjs";
import { PATIENCE_SECONDS_MAX } from "./wait.mjs";

const { chromium } = (await load(DRIVERS, "playwright-core")).default;

/** Seconds that a scenario may take at most. */
const SCENARIO_SECONDS_MAX = 900;
/** Contexts that may be open at the same time, in one scenario. */
const CONTEXTS_MAX = 2;

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--font-render-hinting=none",
];

let launched;
/** The browser of this file of tests, started by the first visitor. */
function browser() {
  // Chromium refuses its sandbox to the superuser, and only to that one.
  const args = process.getuid() === 0 ? [...FLAGS, "--no-sandbox"] : FLAGS;
  launched ??= chromium.launch({ executablePath: BROWSER, args });
  return launched;
}
after(async () => {
  if (launched) await (await launched).close();
});

/** What a page says about itself; it runs before any script of the page. */
function tellViolations() {
  addEventListener("securitypolicyviolation", (event) => {
    console.error(`violates ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
  });
}

/** A person with a browser of their own: one context, one page, watched. */
export class Visitor {
  constructor(context, page, origin, script) {
    Object.assign(this, { context, page, origin, script, faults: [], trace: [], expected: new Set() });
    context.on("request", (request) => this.#asked(request));
    context.on("requestfailed", (request) => this.#failed(request));
    context.on("response", (response) => this.#answered(response));
    context.on("console", (message) => this.#said(message));
    context.on("weberror", (error) => this.faults.push(`page error: ${error.error().stack}`));
    context.on("dialog", async (dialog) => {
      this.faults.push(`a dialog: ${dialog.message()}`);
      await dialog.dismiss();
    });
  }

  #asked(request) {
    this.trace.push(`> ${request.method()} ${request.url()}`);
    const url = new URL(request.url());
    if (url.origin !== this.origin && url.protocol !== "data:") {
      this.faults.push(`a request to elsewhere: ${request.url()}`);
    }
  }

  #failed(request) {
    const why = request.failure()?.errorText;
    this.trace.push(`! ${request.method()} ${request.url()} ${why}`);
    // Whoever leaves a page, or saves a file, aborts what it was loading.
    if (why !== "net::ERR_ABORTED") this.faults.push(`${request.url()} failed: ${why}`);
  }

  #answered(response) {
    const [status, url] = [response.status(), response.url()];
    this.trace.push(`< ${status} ${response.request().method()} ${url}`);
    if (status >= 400 && !this.expected.has(status)) {
      this.faults.push(`${response.request().method()} ${url} answered ${status}`);
    }
  }

  #said(message) {
    const text = message.text();
    this.trace.push(`# ${message.type()} ${text}`);
    // Answers are judged by their status, above.
    const isStatus = text.startsWith("Failed to load resource: the server responded with a status of");
    if (["error", "warning"].includes(message.type()) && !isStatus) {
      this.faults.push(`console ${message.type()}: ${text} (${message.location().url})`);
    }
  }

  /** From now on answers with these statuses are no faults. */
  expecting(...statuses) {
    for (const status of statuses) this.expected.add(status);
    return this;
  }

  /** Opens one of our pages. */
  async open(path) {
    return this.page.goto(new URL(path, this.origin).href, { waitUntil: "load" });
  }

  /** The path and query of the page that is open. */
  where() {
    const url = new URL(this.page.url());
    return url.pathname + url.search;
  }

  assertQuiet() {
    assert.deepEqual(this.faults, [], `what the page ${this.page.url()} must not do`);
  }
}

class Stage {
  #ends = [];
  visitors = [];

  /** Does this when the scenario ends, last first. */
  ending(end) {
    this.#ends.push(end);
  }

  async gateway(wish) {
    const gateway = await Gateway.start(wish);
    this.gateways = [...(this.gateways ?? []), gateway];
    this.ending(() => gateway.stop());
    return gateway;
  }

  /** The input of a server whose tools stand in a file, and that file. */
  async toolsOf(gateway, slug, tools, answers = {}) {
    const file = await gateway.write(`${slug}.tools.json`, JSON.stringify({ tools, answers }));
    const script = new URL("tool_server.mjs", import.meta.url).pathname;
    return { slug, file, command: [NODE, script, PEERS, file] };
  }

  async agent(gateway, server, token, name) {
    const agent = await Agent.connect(`${gateway.door}/mcp/${server}`, token, name);
    this.ending(() => agent.close().catch(() => {}));
    return agent;
  }

  /** Somebody with a browser. `script` false: JavaScript is off. */
  async visitor(gateway, { width = 1440, height = 900, theme = "light", script = true, at, state } = {}) {
    assert.ok(this.visitors.length < CONTEXTS_MAX, `at most ${CONTEXTS_MAX} contexts at the same time`);
    const context = await (await browser()).newContext({
      viewport: { width, height },
      colorScheme: theme,
      reducedMotion: "reduce",
      locale: "en-GB",
      timezoneId: "UTC",
      javaScriptEnabled: script,
      acceptDownloads: true,
      storageState: state,
    });
    context.setDefaultTimeout(PATIENCE_SECONDS_MAX * 1000);
    if (script) await context.addInitScript(tellViolations);
    const page = await context.newPage();
    if (at) await page.clock.setFixedTime(new Date(at));
    const visitor = new Visitor(context, page, gateway.origin, script);
    this.visitors.push(visitor);
    return visitor;
  }

  /** A part of the scenario with a name of its own in the report; what goes wrong in it is kept like a scenario's. */
  part(t, name, visitor, body) {
    return t.test(name, async (part) => {
      visitor.faults.length = 0;
      visitor.trace.length = 0;
      visitor.expected.clear();
      try {
        await body(part);
        visitor.assertQuiet();
      } catch (error) {
        part.diagnostic(`a picture and the trace are in ${await this.evidence(`${t.name} ${name}`)}`);
        visitor.faults.length = 0;
        throw error;
      }
    });
  }

  /** Ends a visit; fails when something was wrong with it. */
  async leave(visitor) {
    this.visitors = this.visitors.filter((other) => other !== visitor);
    await visitor.context.close();
    visitor.assertQuiet();
  }

  /** Writes down what there is to see: a picture and the trace of each visitor, and each gateway's log. */
  async evidence(name) {
    const folder = join(OUT, "failed", name.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 80));
    mkdirSync(folder, { recursive: true });
    for (const [number, visitor] of this.visitors.entries()) {
      const picture = join(folder, `visitor-${number}.png`);
      await visitor.page.screenshot({ path: picture, fullPage: true, timeout: 10_000 }).catch(() => {});
      const html = await visitor.page.content().catch(() => "");
      writeFileSync(join(folder, `visitor-${number}.html`), html);
      writeFileSync(join(folder, `visitor-${number}.txt`), [...visitor.trace, "", ...visitor.faults].join("\n"));
    }
    for (const [number, gateway] of (this.gateways ?? []).entries()) {
      writeFileSync(join(folder, `gateway-${number}.log`), gateway.log());
    }
    return folder;
  }

  async close() {
    for (const visitor of this.visitors) await visitor.context.close().catch(() => {});
    for (const end of this.#ends.reverse()) await end();
  }
}

/** A test: `body` gets a stage, and everything on it is watched and ended. */
export function scenario(name, body) {
  test(name, { timeout: SCENARIO_SECONDS_MAX * 1000 }, async (t) => {
    const stage = new Stage();
    try {
      await body(stage, t);
      for (const visitor of stage.visitors) visitor.assertQuiet();
    } catch (error) {
      const folder = await stage.evidence(name);
      t.diagnostic(`a picture and the trace are in ${folder}`);
      throw error;
    } finally {
      await stage.close();
    }
  });
}
