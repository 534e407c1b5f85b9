// A site whose tokens come from npm's @node-oauth/oauth2-server, as one would write it:
// code with PKCE, refresh tokens that are replaced, client credentials. It says yes at once.
import { createServer } from 'node:http';
import OAuth2Server from '@node-oauth/oauth2-server';

const { CLIENT_ID, CLIENT_SECRET } = process.env;
const client = { id: CLIENT_ID, grants: ['authorization_code', 'refresh_token', 'client_credentials'], redirectUris: ['http://127.0.0.1/callback'] };
const codes = new Map(), tokens = new Map(), refreshTokens = new Map();
const oauth = new OAuth2Server({
  accessTokenLifetime: 3600,
  model: {
    getClient: (id, secret) => id === CLIENT_ID && (secret === null || secret === undefined || secret === CLIENT_SECRET) && client,
    validateRedirectUri: uri => /^http:\/\/127\.0\.0\.1:\d+\/callback$/.test(uri),
    validateScope: (user, client, scope) => scope?.every(s => ['read', 'write'].includes(s)) && scope,
    saveAuthorizationCode: (code, client, user) => { codes.set(code.authorizationCode, { ...code, client, user }); return codes.get(code.authorizationCode); },
    getAuthorizationCode: code => codes.get(code),
    revokeAuthorizationCode: code => codes.delete(code.authorizationCode),
    saveToken: (token, client, user) => {
      const saved = { ...token, client, user };
      tokens.set(token.accessToken, saved);
      if (token.refreshToken) refreshTokens.set(token.refreshToken, saved);
      return saved;
    },
    getAccessToken: token => tokens.get(token),
    getRefreshToken: token => refreshTokens.get(token),
    revokeToken: token => refreshTokens.delete(token.refreshToken),
    getUserFromClient: () => ({ id: 'machine' }),
    verifyScope: () => true,
  },
});

const server = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://127.0.0.1');
  let text = '';
  for await (const chunk of req) text += chunk;
  const request = new OAuth2Server.Request({ method: req.method, headers: req.headers, query: Object.fromEntries(url.searchParams), body: Object.fromEntries(new URLSearchParams(text)) });
  const response = new OAuth2Server.Response({ headers: {} });
  try {
    switch (url.pathname) {
      case '/authorize': await oauth.authorize(request, response, { authenticateHandler: { handle: () => ({ id: 'ada' }) } }); break;
      case '/token': await oauth.token(request, response); break;
      default: response.body = { user: (await oauth.authenticate(request, response)).user.id };
    }
  } catch (e) {
    if (!response.headers.location) Object.assign(response, { status: e.code ?? 500, body: { error: e.name, error_description: e.message } });
  }
  res.writeHead(response.status, { ...response.headers, 'content-type': 'application/json' }).end(JSON.stringify(response.body));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.on('close', () => process.exit(0)).resume(); // ends with the test
