// A client of an MCP server that has its tokens from mintkeep, as the conformance suite
// starts it: mintkeep.mjs URL. MINTKEEP is the program. It does what a person does: add
// the server, connect it in a browser, take the token, use it, and where the server wants
// more scope, connect again with that.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const server = process.argv.at(-1)
const scenario = process.env.MCP_CONFORMANCE_SCENARIO
const version = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? '2025-11-25'
const given = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}')
const dir = mkdtempSync(join(tmpdir(), 'mcp-'))
process.on('exit', () => rmSync(dir, { recursive: true }))

const args = list => [...list, '-db', join(dir, 'tokens.db')]

function mintkeep(input, ...list) {
  return execFileSync(process.env.MINTKEEP, args(list), { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'] }).trim()
}

// connect opens the address that it is shown: the suite's servers say yes at once.
function connect(...list) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.env.MINTKEEP, args(['connect', 'server', ...list]), { stdio: ['ignore', 'inherit', 'pipe'] })
    let said = ''
    child.stderr.on('data', text => {
      const before = said
      said += text
      const address = /https?:\S+[?&]response_type=\S+(?=\s)/
      if (address.test(said) && !address.test(before)) fetch(address.exec(said)[0]).then(r => r.text(), reject)
    })
    child.on('exit', code => code === 0 ? resolve() : reject(new Error(said)))
  })
}

function add() {
  const client = []
  if (given.client_id) client.push('-client-id', given.client_id)
  else if (scenario === 'auth/basic-cimd')
    client.push('-client-id', 'https://conformance-test.local/client-metadata.json', '-public')
  mintkeep(given.client_secret, 'provider', 'add', 'server', '-mcp', server, ...client)
}

async function call(token, id, method, params = {}) {
  return fetch(server, {
    method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
    headers: {
      Authorization: 'Bearer ' + token, 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': version, 'Mcp-Method': method, ...(params.name ? { 'Mcp-Name': params.name } : {}),
    },
  })
}

const grant = scenario.startsWith('auth/client-credentials') ? ['-grant', 'client_credentials'] : []
mintkeep('', 'init')
mintkeep('', 'key', 'new')
add()
await connect(...grant)
const clientInfo = { name: 'test', version: '1' }
const _meta = version < '2026' ? undefined : { 'io.modelcontextprotocol/protocolVersion': version, 'io.modelcontextprotocol/clientInfo': clientInfo, 'io.modelcontextprotocol/clientCapabilities': {} }
const steps = [['tools/list', { _meta }], ['tools/call', { name: 'test-tool', arguments: {}, _meta }]]
if (version < '2026') steps.unshift(['initialize', { protocolVersion: version, capabilities: {}, clientInfo }])
let patience = 2 // a person does not go to the browser for ever
for (const [i, step] of steps.entries()) {
  let r
  while ((r = await call(mintkeep('', 'get', 'server'), i + 1, ...step)).status >= 400 && patience-- > 0) {
    const more = /scope="([^"]+)"/.exec(r.headers.get('www-authenticate') ?? '')
    if (r.status === 403 && more) {
      await connect('-scope', more[1])
    } else if (r.status === 401) { // the server has moved to another authorization server
      mintkeep('', 'forget', 'server')
      mintkeep('', 'provider', 'remove', 'server')
      add()
      await connect(...grant)
    }
  }
}
