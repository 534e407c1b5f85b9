// A small MCP server that knows nothing of OAuth: the web server in front of it lets
// in only whom the token endpoint knows, and says who it is.
import { createServer } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

createServer(async (req, res) => {
  const server = new McpServer({ name: 'notes', version: '1' })
  server.registerTool('whoami', { description: 'who asks' }, () => ({
    content: [{ type: 'text', text: ['mintkeep-me', 'mintkeep-client-id', 'mintkeep-scope'].map((h) => req.headers[h]).join(' ') }],
  }))
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
  res.on('close', () => server.close())
  await server.connect(transport)
  await transport.handleRequest(req, res)
}).listen(process.env.PORT, '127.0.0.1')
