// An MCP client of the official SDK: `node client.mjs <url> <calls>`, with the token in
// $TOKEN. Lists the tools, then makes the calls, a JSON list of `{name, arguments}`, and
// prints what came of it as one JSON object.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, calls] = process.argv.slice(2);
const headers = { authorization: `Bearer ${process.env.TOKEN}` };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: "agent", version: "1.0.0" });
const told = { progress: 0, results: [] };

try {
  await client.connect(transport);
  told.server = client.getServerVersion().name;
  told.tools = (await client.listTools()).tools.map((tool) => tool.name);
  for (const call of JSON.parse(calls)) {
    const onprogress = () => { told.progress += 1; };
    try {
      const { content } = await client.callTool(call, undefined, { onprogress });
      told.results.push({ text: content.map((part) => part.text).join("") });
    } catch (error) {
      told.results.push({ error: error.message, code: error.code, data: error.data });
    }
  }
} catch (error) {
  told.failed = error.message;
}
console.log(JSON.stringify(told));
await client.close();
