// An agent by the TypeScript SDK that does what the test types: one line of JSON each way.
// Arguments: folder of the packages, URL, token, era. Commands:
//   {"do": "call", "key": "a", "scope": "x", "progress": true}   makes a call; its news carry the key
//   {"do": "cancel", "key": "a"}                                  gives it up
//   {"do": "end"}
// Says {"ready": true}, {"key", "progress", "message"}, {"key", "result"}, {"key", "error"}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, url, token, era] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const sdk = await import(pathToFileURL(require.resolve("@modelcontextprotocol/client")).href);
const say = (news) => console.log(JSON.stringify(news));

const transport = new sdk.StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
});
const options = era === "modern" ? { versionNegotiation: { mode: "auto" } } : {};
const client = new sdk.Client({ name: "integration-tests", version: "1.0.0" }, options);
await client.connect(transport);
say({ ready: true });

const running = new Map();

function call({ key, scope, progress }) {
  const giving = new AbortController();
  running.set(key, giving);
  const how = { signal: giving.signal, timeout: 120_000 };
  if (progress) {
    how.resetTimeoutOnProgress = true;
    how.onprogress = (news) => say({ key, progress: news.progress, message: news.message });
  }
  client.callTool({ name: "delete_all", arguments: { scope } }, how).then(
    (result) => say({ key, result }),
    (error) => say({ key, error: String(error) }),
  );
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.do === "call") call(command);
  else if (command.do === "cancel") running.get(command.key).abort("the test gives it up");
  else break;
}
await client.close();
process.exit(0);
