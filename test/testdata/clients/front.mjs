// Goes through the authorization front with oauth4webapi at its strictest:
// discovery from the metadata, PKCE, iss demanded and compared; then redemption,
// refresh, introspection, userinfo, revocation. Behind the front is a plain
// Selfauth, whose form this fills in. Settings come in the environment.
import * as oauth from 'oauth4webapi'

const { BASE, CLIENT_ID, REDIRECT_URI, PASSWORD, SERVER_NAME, SERVER_SECRET } = process.env
const insecure = { [oauth.allowInsecureRequests]: true }
const check = (ok, what) => {
  if (!ok) throw new Error(what)
  console.log('ok', what)
}
const refuses = async (what, f, test) => {
  try {
    await f()
  } catch (e) {
    return check(test(e), what)
  }
  check(false, what)
}

// Discovery, in RFC 8414's place and in IndieAuth's.
const issuer = new URL(BASE)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }))
const named = await oauth.processDiscoveryResponse(issuer, await fetch(BASE + '/metadata'))
check(JSON.stringify(as) === JSON.stringify(named) && as.authorization_response_iss_parameter_supported === true &&
  as.code_challenge_methods_supported.includes('S256'), 'metadata')

// A browser with a jar for cookies, which stops at redirects.
const jar = new Map()
const visit = async (url, body) => {
  const r = await fetch(url, { method: body ? 'POST' : 'GET', body, redirect: 'manual',
    headers: { cookie: [...jar].map(([k, v]) => k + '=' + v).join('; ') } })
  for (const c of r.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(c)
    if (/max-age=0/i.test(c)) jar.delete(name)
    else jar.set(name, value)
  }
  return { to: r.headers.get('location'), text: await r.text() }
}
const plain = (s) => s.replace(/&#34;|&quot;/g, '"').replace(/&amp;/g, '&')

const client = { client_id: CLIENT_ID }
const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const ask = new URL(as.authorization_endpoint)
ask.search = new URLSearchParams({ response_type: 'code', client_id: CLIENT_ID, redirect_uri: REDIRECT_URI, state, scope: 'create update profile',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' })
const inner = (await visit(ask)).to
const form = (await visit(inner)).text
const fill = new URLSearchParams({ _csrf: plain(/name="_csrf" value="([^"]*)"/.exec(form)[1]), password: PASSWORD })
for (const [, scope] of form.matchAll(/name="scopes\[\]" value="([^"]*)"/g)) if (scope !== 'update') fill.append('scopes[]', scope)
const back = new URL((await visit((await visit(inner, fill)).to)).to)
check(back.href.startsWith(REDIRECT_URI) && back.searchParams.get('iss') === as.issuer, 'iss')

const other = new URL(back)
other.searchParams.set('iss', 'https://evil.example/')
await refuses('other iss refused', () => oauth.validateAuthResponse(as, client, other, state), () => true)
other.searchParams.delete('iss')
await refuses('missing iss refused', () => oauth.validateAuthResponse(as, client, other, state), () => true)

const callback = oauth.validateAuthResponse(as, client, back, state)
const redeem = async (v) => oauth.processAuthorizationCodeResponse(as, client,
  await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), callback, REDIRECT_URI, v, insecure))
const invalid = (e) => e instanceof oauth.ResponseBodyError && e.error === 'invalid_grant'
await refuses('wrong verifier refused', () => redeem(oauth.generateRandomCodeVerifier()), invalid)
const redeemed = await redeem(verifier)
check(redeemed.access_token.startsWith('mka_') && redeemed.me, 'code')
check(redeemed.scope === 'create profile', 'unticked')

const refreshed = await oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, oauth.None(), redeemed.refresh_token, insecure))
check(refreshed.access_token !== redeemed.access_token, 'refresh')

const introspect = async () => oauth.processIntrospectionResponse(as, { client_id: SERVER_NAME },
  await oauth.introspectionRequest(as, { client_id: SERVER_NAME }, oauth.ClientSecretBasic(SERVER_SECRET), refreshed.access_token, insecure))
const live = await introspect()
check(live.active === true && live.sub === redeemed.me && live.iss === as.issuer && live.client_id === CLIENT_ID, 'introspect')

const info = await oauth.userInfoRequest(as, client, refreshed.access_token, insecure)
check(info.status === 200 && (await info.json()).me === redeemed.me, 'userinfo')

await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, oauth.None(), refreshed.access_token, insecure))
check((await introspect()).active === false, 'revoked')
await refuses('replay refused', () => redeem(verifier), invalid)
