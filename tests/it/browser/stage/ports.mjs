// Loopback ports for gateways, as `tests/it/src/ports.rs` takes them: below the range that the system gives out to
// connections, and locked for as long as they are in use, so that no other test of this machine takes the same one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The first of them. */
const PORT_MIN = 14_000;
/** Where the range of the system usually begins. */
const SYSTEM_PORT_MIN = 32_768;
/** Fewer below that range are too few for all tests of a machine. */
const PORTS_MIN = 1_000;
/** How far apart two tries are: processes that begin together do not go the same way beside each other. */
const STEP = 7;

const FOLDER = join(tmpdir(), `portcullis-test-ports-${process.getuid()}`);

/** Where the range that the system gives out begins; the usual place on a machine that gives out nearly all ports. */
function systemRangeBegins() {
  const begins = Number.parseInt(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"), 10);
  return begins >= PORT_MIN + PORTS_MIN ? begins : SYSTEM_PORT_MIN;
}

/**
 * Holds the lock of a port until `release`, or nothing when somebody else does. Node.js cannot lock a file: `flock` of
 * util-linux does, for as long as its input is open, so that the lock also goes when this process is killed.
 */
async function lock(port) {
  const wait = "echo held; exec cat";
  const keeper = spawn("flock", ["--nonblock", join(FOLDER, String(port)), "sh", "-c", wait], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(keeper, "exit");
  const held = await Promise.race([once(keeper.stdout, "data").then(() => true), ended.then(() => false)]);
  if (!held) return undefined;
  return async () => {
    keeper.stdin.end();
    await ended;
  };
}

/** Whether nobody listens there now. */
async function isFree(port) {
  const server = createServer();
  const listens = await new Promise((tell) => {
    server.once("error", () => tell(false));
    server.listen(port, "127.0.0.1", () => tell(true));
  });
  if (listens) await new Promise((closed) => server.close(closed));
  return listens;
}

/** A port that nobody listens on: `{ port, release }`. */
async function take(from, count) {
  for (let step = 0; step < count; step += 1) {
    const port = PORT_MIN + ((from + step * STEP) % count);
    const release = await lock(port);
    if (!release) continue;
    if (await isFree(port)) return { port, release };
    await release();
  }
  throw new Error("no port is free");
}

/** So many ports of this process alone, until `release`. */
export async function takePorts(count) {
  mkdirSync(FOLDER, { recursive: true });
  const all = systemRangeBegins() - PORT_MIN;
  const taken = [];
  for (let number = 0; number < count; number += 1) {
    taken.push(await take(process.pid % all, all));
  }
  return {
    ports: taken.map(({ port }) => port),
    release: () => Promise.all(taken.map(({ release }) => release())),
  };
}
