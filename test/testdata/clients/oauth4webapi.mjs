// Walks code, introspection, refresh and revocation with oauth4webapi, which
// refuses whatever the RFCs do not allow. Settings come in the environment.
import * as oauth from 'oauth4webapi'

const { BASE, CODE, CLIENT_ID, REDIRECT_URI, SERVER_NAME, SERVER_SECRET } = process.env
const insecure = { [oauth.allowInsecureRequests]: true }
const as = {
  issuer: BASE,
  token_endpoint: BASE,
  introspection_endpoint: BASE + '/introspect',
  revocation_endpoint: BASE + '/revoke',
}
const client = { client_id: CLIENT_ID }
const check = (ok, what) => {
  if (!ok) throw new Error(what)
  console.log('ok', what)
}

const callback = oauth.validateAuthResponse(as, client, new URL(`${REDIRECT_URI}?code=${encodeURIComponent(CODE)}&state=s`), 's')
const verifier = oauth.generateRandomCodeVerifier()
const redeemed = await oauth.processAuthorizationCodeResponse(as, client,
  await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), callback, REDIRECT_URI, verifier, insecure))
check(redeemed.access_token.startsWith('mka_') && redeemed.me && redeemed.scope, 'code')

const refreshed = await oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, oauth.None(), redeemed.refresh_token, insecure))
check(refreshed.access_token !== redeemed.access_token && refreshed.refresh_token !== redeemed.refresh_token, 'refresh')

const server = { client_id: SERVER_NAME }
for (const [name, auth] of [['post', oauth.ClientSecretPost(SERVER_SECRET)], ['basic', oauth.ClientSecretBasic(SERVER_SECRET)]]) {
  const answer = await oauth.processIntrospectionResponse(as, server,
    await oauth.introspectionRequest(as, server, auth, refreshed.access_token, insecure))
  check(answer.active === true && answer.sub === redeemed.me && answer.client_id === CLIENT_ID, 'introspect ' + name)
}

await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, oauth.None(), refreshed.access_token, insecure))
const dead = await oauth.processIntrospectionResponse(as, server,
  await oauth.introspectionRequest(as, server, oauth.ClientSecretPost(SERVER_SECRET), refreshed.access_token, insecure))
check(dead.active === false, 'revoked')

try {
  await oauth.processAuthorizationCodeResponse(as, client,
    await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), callback, REDIRECT_URI, verifier, insecure))
  check(false, 'replay refused')
} catch (e) {
  check(e instanceof oauth.ResponseBodyError && e.error === 'invalid_grant', 'replay refused')
}
