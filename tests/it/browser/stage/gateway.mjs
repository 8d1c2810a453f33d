// A real `portcullis serve` on loopback with a data folder of its own: its configuration file, its life, its log,
// and its API as an administrator's script uses it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readdirSync, readFileSync, existsSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PRODUCT } from "./places.mjs";
import { takePorts } from "./ports.mjs";
import { until } from "./wait.mjs";

const API_TOKEN = "admin-token-of-the-browser-tests";

function fakeTimeLibrary() {
  const folders = readdirSync("/usr/lib").map((name) => `/usr/lib/${name}/faketime/libfaketime.so.1`);
  const found = folders.find((path) => existsSync(path));
  if (!found) throw new Error("libfaketime is missing (Debian: `apt-get install libfaketime`)");
  return found;
}

/** A policy as somebody would write it down. */
const written = (document) => `${JSON.stringify(document, null, 2)}\n`;

export class Gateway {
  /**
   * Writes the configuration, starts the process, and waits until it is ready. `lines` come before the first table,
   * `tables` after the last; `url` is where agents are told to go, else where it listens. `at` is the time that its
   * clock shows (`2026-11-02 09:00:00`) until `turnTo`; else its clock is the real one.
   */
  static async start({ lines = [], tables = [], waitSeconds = 60, values = "full", at, url } = {}) {
    const gateway = new Gateway();
    gateway.folder = await mkdtemp(join(tmpdir(), "portcullis-browser-"));
    gateway.taken = await takePorts(2);
    const [door, consolePort] = gateway.taken.ports;
    gateway.door = `http://127.0.0.1:${door}`;
    gateway.origin = `http://127.0.0.1:${consolePort}`;
    gateway.at = at;
    gateway.text = [
      'data_dir = "data"',
      `public_url = "${url ?? gateway.door}"`,
      `console_url = "${gateway.origin}"`,
      "drain_seconds = 1",
      ...lines,
      `[listen]\ngateway = "127.0.0.1:${door}"\nconsole = "127.0.0.1:${consolePort}"`,
      `[audit]\nvalues = "${values}"`,
      `[approvals]\nwait_seconds = ${waitSeconds}\nwait_seconds_with_progress = ${waitSeconds}`,
      `[[api_token]]\nlabel = "script"\nrole = "admin"\ntoken = "${API_TOKEN}"`,
      ...tables,
    ].join("\n");
    await gateway.write("portcullis.toml", gateway.text);
    if (at) await gateway.turnTo(at);
    await gateway.run();
    return gateway;
  }

  /** Writes a file beside the configuration, whole or not at all; its path. */
  async write(name, text) {
    const path = join(this.folder, name);
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
    return path;
  }

  /** The environment of its processes. */
  environment() {
    const env = { HOME: this.folder, PATH: process.env.PATH };
    if (!this.at) return env;
    const clock = { FAKETIME_TIMESTAMP_FILE: join(this.folder, "clock"), FAKETIME_NO_CACHE: "1", TZ: "UTC" };
    return { ...env, ...clock, FAKETIME_DONT_FAKE_MONOTONIC: "1", LD_PRELOAD: fakeTimeLibrary() };
  }

  /** Sets a clock that stands still to another time. */
  async turnTo(at) {
    this.at = at;
    await this.write("clock", `${at}\n`);
  }

  async run() {
    const log = openSync(join(this.folder, "serve.log"), "a");
    this.child = spawn(PRODUCT, ["serve", "--config", join(this.folder, "portcullis.toml")], {
      cwd: this.folder,
      env: this.environment(),
      stdio: ["ignore", log, log],
    });
    this.ended = once(this.child, "exit");
    await until("a gateway that is ready", async () => {
      if (this.child.exitCode !== null) throw new Error(`the gateway ended; its log:\n${this.log()}`);
      const answer = await fetch(`${this.origin}/readyz`).catch(() => undefined);
      return answer?.ok;
    });
  }

  /** What its clock shows. */
  now() {
    return this.at ? new Date(`${this.at.replace(" ", "T")}Z`) : new Date();
  }

  log() {
    return readFileSync(join(this.folder, "serve.log"), "utf8");
  }

  /** Kills it without a warning. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
    await this.taken.release();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The one-time link of the first start, as it was printed. */
  async setUpLink() {
    return until("a link for the first account", () => this.log().match(/http:\/\/\S+\/welcome\/\S+/)?.[0]);
  }

  /** A request to the API as an administrator; what it answered, or a failure that says so. */
  async api(method, path, body, headers = {}) {
    const answer = await this.ask(method, path, body, headers);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}\n${this.log()}`);
    if (!text || !answer.headers.get("content-type")?.includes("json")) return text;
    const value = JSON.parse(text);
    return value.items ?? value;
  }

  ask(method, path, body, headers = {}) {
    return fetch(`${this.origin}/api/v1/${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${API_TOKEN}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  /** Adds a server and has its tools listed. */
  async server(input) {
    await this.api("POST", "servers", { accept_first: true, allow_private_address: true, ...input });
    return this.inspect(input.slug);
  }

  /** Has the tools of a server listed now. */
  async inspect(slug) {
    const found = await until(`the gateway to know ${slug}`, async () => {
      const found = await this.api("POST", `servers/${slug}/inspect`);
      return found.reachable && found;
    });
    assert.ok(found.tools > 0, `${slug} has no tools: ${JSON.stringify(found)}`);
    return found;
  }

  async policy(name, server, document) {
    await this.api("POST", "policies", { name, server, text: written(document) });
  }

  /** Saves another version of a policy. */
  async changePolicy(name, document) {
    const known = await this.ask("GET", `policies/${name}`);
    const { server } = await known.json();
    const headers = { "If-Match": known.headers.get("etag") };
    return this.api("PUT", `policies/${name}`, { server, text: written(document) }, headers);
  }

  /** Makes a grant and waits until the gateway lets it in; its token. */
  async grant(label, server, policy, more = {}) {
    // Grants are listed by when they were made, and a clock that stands still would leave their order to chance.
    if (this.at) await this.turnTo(new Date(this.now().getTime() + 1000).toISOString().slice(0, 19).replace("T", " "));
    const created = await this.api("POST", "grants", { label, server, policy, ...more });
    await until(`the grant ${label} in force`, async () => {
      const answer = await this.post(server, created.token, { jsonrpc: "2.0", id: 1, method: "ping" });
      return answer.status !== 401;
    });
    return created;
  }

  /** A bare JSON-RPC request as the holder of a token. */
  post(server, token, message) {
    return fetch(`${this.door}/mcp/${server}`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${token}`,
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
      },
      body: JSON.stringify(message),
    });
  }

  /** Every row of the audit, oldest first. */
  async audit() {
    const text = await (await this.ask("GET", "audit?format=jsonl")).text();
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  /** Held calls in a state. */
  async held(state = "pending") {
    return this.api("GET", `approvals?state=${state}`);
  }
}
