// An authorization server that is not ours: oidc-provider, in memory, on
// 127.0.0.1 and a free port. Prints one line of JSON, {"issuer": …}, when it
// is ready, and ends when its standard input does.
//
// Beside what the standards say it answers, for the tests alone:
//   GET  /__count              how often each address was asked, refusals apart
//   GET  /__issued             every secret that it ever gave away
//   GET  /__token              (Bearer) whether this token still lives
//   POST /__ttl?seconds=N      how long the access tokens live from now on

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

// It warns of its own test pages, at length.
console.info = () => {};
console.warn = () => {};

// `import` does not look at NODE_PATH; `require` does, but not for this module.
const require = createRequire(import.meta.url);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const SECRET = 'fake-client-secret-FAKEFAKEFAKEFAKE';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const REDIRECT = 'http://127.0.0.1/callback';

const clients = [
  {
    client_id: 'vault-public',
    application_type: 'native', // any port of 127.0.0.1 will do (RFC 8252)
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE],
    response_types: ['code'],
    redirect_uris: [REDIRECT],
  },
  {
    client_id: 'vault-secret',
    client_secret: SECRET,
    application_type: 'native',
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [REDIRECT],
  },
  {
    client_id: 'vault-machine',
    client_secret: SECRET,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  },
];

let seconds = Number(process.env.TTL_ACCESS || 3600);
const count = {};
const issued = {};

const configuration = {
  clients,
  cookies: { keys: ['fake-cookie-key-FAKEFAKE'] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    revocation: { enabled: true },
  },
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { methods: ['S256'], required: () => true },
  // A refresh token that comes a second time ends the whole grant.
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', 'api'],
  ttl: {
    AccessToken: () => seconds,
    ClientCredentials: () => seconds,
    DeviceCode: 600,
    Grant: 86400,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: 86400,
    Session: 86400,
  },
};

// The issuer is in every token, so the port must be known first.
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, configuration);

function remember(kind, value) {
  issued[kind] ||= [];
  if (value && !issued[kind].includes(value)) issued[kind].push(value);
}

// They are opaque, so the name under which one is stored is the token.
for (const [kind, event] of [
  ['access_token', 'access_token.saved'],
  ['access_token', 'client_credentials.saved'],
  ['authorization_code', 'authorization_code.saved'],
  ['device_code', 'device_code.saved'],
  ['refresh_token', 'refresh_token.saved'],
  ['registration_token', 'registration_access_token.saved'],
]) {
  provider.on(event, (token) => remember(kind, token.jti));
}
provider.on('registration_create.success', (_, client) => remember('client_secret', client.clientSecret));

/** Whether a token of any kind can still be used, and its grant with it. */
async function life(value) {
  for (const kind of ['AccessToken', 'ClientCredentials', 'RefreshToken']) {
    const token = await provider[kind].find(value);
    if (!token) continue;
    const grant = token.grantId ? Boolean(await provider.Grant.find(token.grantId)) : null;
    const active = !token.consumed && grant !== false;
    return { kind, active, grant, client_id: token.clientId, scope: token.scope ?? null };
  }
  return { active: false };
}

const own = {
  'GET /__count': () => count,
  'GET /__issued': () => issued,
  'GET /__token': (ctx) => life(ctx.get('authorization').replace(/^Bearer /, '')),
  'POST /__ttl': (ctx) => {
    seconds = Number(ctx.query.seconds);
    return { seconds };
  },
};

provider.use(async (ctx, next) => {
  const answer = own[`${ctx.method} ${ctx.path}`];
  if (answer) {
    ctx.body = await answer(ctx);
    return;
  }
  // It knows OpenID's address of the document only; RFC 8414 has another
  // name for the same one.
  if (ctx.path === '/.well-known/oauth-authorization-server') {
    ctx.path = '/.well-known/openid-configuration';
  }
  await next();
  const route = ctx.oidc?.route ?? 'elsewhere';
  const grant = ctx.oidc?.params?.grant_type ?? '';
  let name = route === 'token' ? `token_${grant.split(':').pop().replace('_token', '')}` : route;
  if (ctx.status >= 400) name += '_refused';
  count[name] = (count[name] ?? 0) + 1;
});

server.on('request', provider.callback());
process.stdin.on('end', () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify({ issuer })}\n`);
