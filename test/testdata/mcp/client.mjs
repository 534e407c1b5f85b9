// Signs in to a protected MCP server with the SDK's client, calls a tool, and tries
// again when the token is revoked. What the owner's browser has to visit goes to
// stdout; where it came back to, and that the token is revoked, come from stdin.
// Settings come in the environment.
import { createInterface } from 'node:readline'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const { RESOURCE, CLIENT_ID, DOCUMENT, SCOPE, REDIRECT_URI } = process.env
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const next = async () => (await lines.next()).value
const kept = { client: CLIENT_ID ? { client_id: CLIENT_ID } : undefined }
const provider = {
  redirectUrl: REDIRECT_URI,
  clientMetadataUrl: DOCUMENT || undefined,
  clientMetadata: { client_name: 'SDK', redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none', scope: SCOPE || undefined },
  clientInformation: () => kept.client,
  saveClientInformation: (c) => { kept.client = c },
  tokens: () => kept.tokens,
  saveTokens: (t) => { kept.tokens = t },
  saveCodeVerifier: (v) => { kept.verifier = v },
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: (url) => { console.log('VISIT ' + url) },
  invalidateCredentials: () => { kept.tokens = undefined },
}
const connect = async () => {
  const client = new Client({ name: 'test', version: '1' })
  const transport = new StreamableHTTPClientTransport(new URL(RESOURCE), { authProvider: provider })
  try {
    await client.connect(transport)
  } catch (e) {
    if (!(e instanceof UnauthorizedError)) throw e
    console.log('UNAUTHORIZED')
    const back = new URL(await next())
    await transport.finishAuth(back.searchParams.get('code'))
    console.log('AUTHORIZED ' + kept.tokens.access_token)
    return connect()
  }
  return client
}
const client = await connect()
const who = await client.callTool({ name: 'whoami', arguments: {} })
console.log('TOOL ' + who.content[0].text)
await next()
try {
  await client.callTool({ name: 'whoami', arguments: {} })
  console.log('LET IN')
} catch (e) {
  console.log(e instanceof UnauthorizedError ? 'REFUSED' : 'FAILED ' + e)
}
process.exit(0)
