// One visit by the TypeScript SDK: lists the tools, makes two calls, and prints
// what came back as one line of JSON. Arguments: folder of the packages, URL, token, the two calls.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, token, first, second] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const sdk = await import(pathToFileURL(require.resolve("@modelcontextprotocol/client")).href);

const transport = new sdk.StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
});
const client = new sdk.Client({ name: "integration-tests", version: "1.0.0" });
await client.connect(transport);
const { tools } = await client.listTools();
const call = async (text) => {
  try {
    return { result: await client.callTool(JSON.parse(text)) };
  } catch (error) {
    return { error: { code: error.code, message: error.message } };
  }
};
const visit = {
  tools: tools.map((tool) => tool.name),
  first: await call(first),
  second: await call(second),
};
await client.close();
console.log(JSON.stringify(visit));
