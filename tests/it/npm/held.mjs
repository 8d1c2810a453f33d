// A held call by the TypeScript SDK: prints the link that the user is shown, accepts it, and prints
// what the call returned; one line of JSON each. Arguments: folder of the packages, URL, token, era.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, token, era] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const sdk = await import(pathToFileURL(require.resolve("@modelcontextprotocol/client")).href);

const transport = new sdk.StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
});
const options = { capabilities: { elicitation: { url: {} } } };
if (era === "modern") {
  options.versionNegotiation = { mode: "auto" };
}
const client = new sdk.Client({ name: "integration-tests", version: "1.0.0" }, options);
client.setRequestHandler("elicitation/create", async (request) => {
  console.log(JSON.stringify({ link: request.params.url, mode: request.params.mode }));
  return { action: "accept" };
});
await client.connect(transport);
const result = await client.callTool({ name: "delete_all", arguments: { scope: "a" } });
console.log(JSON.stringify({ result }));
await client.close();
