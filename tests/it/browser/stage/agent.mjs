// An agent: the official TypeScript SDK's client, connected to the gateway over Streamable HTTP.
import { load, PEERS } from "./places.mjs";
import { PATIENCE_SECONDS_MAX } from "./wait.mjs";

const sdk = await load(PEERS, "@modelcontextprotocol/client");

export class Agent {
  static async connect(url, token, name = "browser-tests") {
    const agent = new Agent();
    const transport = new sdk.StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers: { Authorization: `Bearer ${token}` } },
    });
    agent.client = new sdk.Client({ name, version: "1.0.0" });
    await agent.client.connect(transport);
    return agent;
  }

  async tools() {
    return (await this.client.listTools()).tools.map((tool) => tool.name);
  }

  /** What a call answered: `{ text, isError }`. */
  async call(name, args = {}) {
    const result = await this.client.callTool({ name, arguments: args }, { timeout: PATIENCE_SECONDS_MAX * 1000 });
    const text = (result.content ?? []).map((part) => part.text ?? "").join("\n");
    return { text, isError: result.isError === true };
  }

  async close() {
    await this.client.close();
  }
}
