// An MCP server of the official SDK over streamable HTTP: `node server.mjs <port>`.
//
// `echo` answers its text, `delete_customer` deletes nothing and says so, `slow_count`
// sends progress before it answers.

import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

function server() {
  const server = new McpServer({ name: "customers", version: "1.0.0" });
  const text = (text) => ({ content: [{ type: "text", text }] });
  server.registerTool(
    "echo",
    { description: "Answers its text.", inputSchema: { text: z.string() } },
    async ({ text: said }) => text(said),
  );
  server.registerTool(
    "delete_customer",
    { description: "Deletes a customer.", inputSchema: { id: z.number().int() } },
    async ({ id }) => text(`deleted ${id}`),
  );
  server.registerTool(
    "slow_count",
    { description: "Counts to a number.", inputSchema: { to: z.number().int() } },
    async ({ to }, { sendNotification, _meta }) => {
      for (let progress = 1; progress <= to; progress += 1) {
        const progressToken = _meta?.progressToken;
        if (progressToken !== undefined) {
          const params = { progressToken, progress, total: to };
          await sendNotification({ method: "notifications/progress", params });
        }
      }
      return text(`counted to ${to}`);
    },
  );
  return server;
}

createServer(async (request, response) => {
  if (request.url === "/healthz") {
    response.end("ok");
    return;
  }
  // Without sessions: each request has a server of its own.
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => transport.close());
  await server().connect(transport);
  await transport.handleRequest(request, response);
}).listen(Number(process.argv[2]), "127.0.0.1");
