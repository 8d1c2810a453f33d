// The watch itself: whatever a page must not do is noticed. Without this, a quiet page would prove nothing.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";

import { axe, fits, scriptBytes, tabTo } from "./stage/checks.mjs";
import { scenario } from "./stage/stage.mjs";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; " +
  "trusted-types portcullis";

/** A server of these answers by path: `{ type, body, status, policy }`. */
async function site(stage, answers) {
  const server = createServer((request, response) => {
    const { type = "text/html", body = "", status = 200, policy = "" } = answers[request.url] ?? { status: 404 };
    response.writeHead(status, { "Content-Type": `${type}; charset=utf-8`, "Content-Security-Policy": policy });
    response.end(body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  stage.ending(() => server.close());
  return { origin: `http://127.0.0.1:${server.address().port}` };
}

const page = (body, head = "") =>
  `<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width">` +
  `<title>A page</title><link rel="icon" href="data:,">${head}</head><body><main><h1>A page</h1>${body}</main></body></html>`;

/** What is noticed on a page, after `act`. */
async function noticed(stage, answers, act = () => {}, wish = {}) {
  const visitor = await stage.visitor(await site(stage, answers), wish);
  await visitor.open("/");
  await act(visitor);
  await visitor.page.waitForLoadState("networkidle");
  const faults = visitor.faults.splice(0);
  await stage.leave(visitor);
  return faults;
}

const one = (faults, pattern) => assert.ok(faults.some((fault) => pattern.test(fault)), faults.join("\n") || "nothing");

scenario("a page that does nothing wrong is quiet", async (stage) => {
  const answers = { "/": { body: page("<p>words</p>", '<script type="module" src="/a.js"></script>'), policy: POLICY } };
  answers["/a.js"] = { type: "text/javascript", body: "document.title += '.';" };
  assert.deepEqual(await noticed(stage, answers), []);
});

scenario("what a policy forbids is noticed", async (stage) => {
  const body = page("<p>words</p><script>document.title = 'x'</script>");
  one(await noticed(stage, { "/": { body, policy: POLICY } }), /violates script-src-elem/);
  const sink = { "/": { body: page("", '<script src="/a.js"></script>'), policy: POLICY } };
  sink["/a.js"] = { type: "text/javascript", body: "document.documentElement.innerHTML = '<p>x</p>';" };
  one(await noticed(stage, sink), /violates require-trusted-types-for/);
});

scenario("a dialog, an error and a message on the console are noticed", async (stage) => {
  const running = (script) => ({ "/": { body: page(`<script>${script}</script>`) } });
  one(await noticed(stage, running("alert('hello')")), /a dialog: hello/);
  one(await noticed(stage, running("absent()")), /page error: .*absent is not defined/);
  one(await noticed(stage, running("console.error('ill')")), /console error: ill/);
  one(await noticed(stage, running("console.warn('unwell')")), /console warning: unwell/);
});

scenario("a request to elsewhere is noticed, also without JavaScript", async (stage) => {
  const answers = { "/": { body: page('<img alt="" src="http://elsewhere.invalid/i.png">') } };
  one(await noticed(stage, answers), /a request to elsewhere: http:\/\/elsewhere\.invalid\/i\.png/);
  one(await noticed(stage, answers, undefined, { script: false }), /a request to elsewhere/);
});

scenario("a request of our own that fails is noticed, unless it was expected", async (stage) => {
  const answers = { "/": { body: page('<img alt="" src="/gone.png">') } };
  one(await noticed(stage, answers), /GET .*\/gone\.png answered 404/);
  const wrong = { "/": { body: page("<p>no</p>"), status: 403 } };
  one(await noticed(stage, wrong), /GET .*\/ answered 403/);
  const visitor = (await stage.visitor(await site(stage, wrong))).expecting(403);
  await visitor.open("/");
  visitor.assertQuiet();
});

scenario("what is cut off, too wide, or inaccessible is noticed", async (stage) => {
  const style = "<style>.cut { overflow: hidden; width: 4em; white-space: nowrap } .panel { width: 8em; white-space: nowrap }</style>";
  const visit = async (body, check) => {
    const visitor = await stage.visitor(await site(stage, { "/": { body: page(body, style) } }), { width: 390 });
    await visitor.open("/");
    const outcome = await check(visitor).then(() => "nothing", (error) => error.message);
    await stage.leave(visitor);
    return outcome;
  };
  assert.equal(await visit("<p>words</p>", fits), "nothing");
  assert.match(await visit('<p class="cut">many words that have no room</p>', fits), /cut off/);
  assert.match(await visit(`<p>${"x".repeat(400)}</p>`, fits), /px wide in a window of 390/);
  const frame = '<div class="panel"><button>a button with too many words</button></div>';
  assert.match(await visit(frame, fits), /outside of its frame/);
  assert.equal(await visit("<p>words</p>", axe), "nothing");
  assert.match(await visit('<input type="text">', axe), /label/);
});

scenario("too much script, and a focus that nobody sees, are noticed", async (stage) => {
  const answers = { "/": { body: page("<p>words</p>", '<script src="/a.js"></script>') } };
  answers["/a.js"] = { type: "text/javascript", body: `"${"x".repeat(52 * 1024)}";` };
  answers["/b"] = { body: page('<style>a { outline: none }</style><a href="/">hidden</a> <button>go</button>') };
  answers["/c"] = { body: page('<a href="/">seen</a> <button>go</button>') };
  const visitor = await stage.visitor(await site(stage, answers));
  await assert.rejects(scriptBytes(visitor, "/"), /bytes of script/);
  await visitor.open("/b");
  const go = visitor.page.getByRole("button", { name: "go" });
  await assert.rejects(tabTo(visitor, go), /the focus is not to be seen/);
  await visitor.open("/c");
  await tabTo(visitor, go);
});
