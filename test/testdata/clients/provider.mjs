// A real OpenID provider (npm oidc-provider) for the tests of the keeper: code
// with PKCE, device flow, client credentials, rotating refresh tokens whose
// reuse ends the grant, introspection, revocation, registration (RFC 7591, RFC 7592). Any name signs in.
import * as oidc from 'oidc-provider';
import { createServer } from 'node:http';

const Provider = oidc.Provider ?? oidc.default;
const { CLIENT_ID, CLIENT_SECRET } = process.env;
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1/token/keep/callback'], // native: any port
      token_endpoint_auth_method: 'client_secret_basic',
    }],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    cookies: { keys: ['only for tests'] },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      registration: { enabled: true },
      registrationManagement: { enabled: true },
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    scopes: ['openid', 'offline_access', 'read'],
    ttl: { AccessToken: 3600, ClientCredentials: 600, DeviceCode: 600, RefreshToken: 86400, Grant: 86400, Session: 3600, Interaction: 600, IdToken: 3600, AuthorizationCode: 60 },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.on('close', () => process.exit(0)).resume(); // ends with the test
