// An MCP server on stdio, made with the official SDK, whose tools stand in a file that is read anew for each
// request: `{"tools": [definition…], "answers": {"tool": "text"}}`. What it is asked to run is appended to
// `<file>.ran`, a line each. Arguments: the folder of the packages, the file.
import { appendFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, file] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const part = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Server } = await part("server/index.js");
const { StdioServerTransport } = await part("server/stdio.js");
const { CallToolRequestSchema, ListToolsRequestSchema } = await part("types.js");

const held = () => JSON.parse(readFileSync(file, "utf8"));
const server = new Server({ name: "tools-from-a-file", version: "1.0.0" }, { capabilities: { tools: {} } });
server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: held().tools }));
server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
  appendFileSync(`${file}.ran`, `${JSON.stringify(params)}\n`);
  const text = held().answers?.[params.name] ?? "done";
  return { content: [{ type: "text", text }] };
});
await server.connect(new StdioServerTransport());
