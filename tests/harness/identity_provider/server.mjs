// An identity provider for the tests: oidc-provider, with a few clients and resources.
//
//     CLIENT_SECRET=... node server.mjs PORT
//
// Everything but `/control/` is the provider's own: discovery, JWKS, token endpoint,
// introspection. It forgets everything when it ends.
//
//     POST /control/rotate   sign with new keys, still publish the earlier ones
//     POST /control/forget   publish only the keys that sign now

import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider, errors } from 'oidc-provider';

const port = Number(process.argv[2]);
const secret = process.env.CLIENT_SECRET;
if (!Number.isInteger(port) || !secret) {
  console.error('usage: CLIENT_SECRET=... node server.mjs PORT');
  process.exit(2);
}
const issuer = `http://127.0.0.1:${port}`;

const ALGORITHMS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};
const SCOPES = 'customers:read customers:write';

// What tokens can be had for: https://<audience>.example/<what>, where <what> is the
// algorithm of a JWT access token (RFC 9068), or `opaque`.
function resource(indicator) {
  const { hostname, pathname } = new URL(indicator);
  const audience = hostname.endsWith('.example') && hostname.slice(0, -'.example'.length);
  const what = pathname.slice(1);
  if (audience && what === 'opaque') return { audience, accessTokenFormat: 'opaque' };
  if (!audience || !(what in ALGORITHMS)) throw new errors.InvalidTarget();
  return { audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: what } } };
}

const machine = (client_id, more = {}) => ({
  client_id,
  client_secret: secret,
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  ...more,
});
const clients = [
  machine('deploy-job'),
  machine('stranger'),
  machine('bound-job', { dpop_bound_access_tokens: true }),
  // Asks for nothing but introspection.
  machine('chaperone', { grant_types: [] }),
  // People sign in with it. They do so on another device, which the provider asks, so
  // that no browser is needed (CIBA).
  machine('console', {
    grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'],
    backchannel_token_delivery_mode: 'poll',
  }),
];

// Whoever is asked agrees at once.
async function agree(ctx, request, account, client) {
  const grant = new ctx.oidc.provider.Grant({
    clientId: client.clientId,
    accountId: account.accountId,
  });
  grant.addOIDCScope(request.scope);
  if (request.resource) grant.addResourceScope(request.resource, SCOPES);
  await grant.save();
  await ctx.oidc.provider.backchannelResult(request, grant);
}

const settings = {
  clients,
  cookies: { keys: [randomUUID()] },
  scopes: ['openid', 'offline_access', ...SCOPES.split(' ')],
  findAccount: (ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  ttl: {
    // A resource says `?ttl=SECONDS` when its tokens are to live shorter.
    ClientCredentials: (ctx, token) => token.resourceServer?.accessTokenTTL ?? 300,
    AccessToken: 300,
    IdToken: 300,
    RefreshToken: 300,
    Grant: 300,
    BackchannelAuthenticationRequest: 60,
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => false },
    ciba: {
      enabled: true,
      deliveryModes: ['poll'],
      processLoginHint: (ctx, hint) => hint,
      validateRequestContext: () => {},
      validateBindingMessage: () => {},
      verifyUserCode: () => {},
      triggerAuthenticationDevice: agree,
    },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo(ctx, indicator) {
        const ttl = new URL(indicator).searchParams.get('ttl');
        const accessTokenTTL = ttl ? Number(ttl) : undefined;
        return { scope: SCOPES, accessTokenTTL, ...resource(indicator) };
      },
    },
  },
};

function generation() {
  return Object.entries(ALGORITHMS).map(([alg, [type, options]]) => {
    const { privateKey } = generateKeyPairSync(type, options);
    return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() };
  });
}

// A provider's keys are fixed when it is made, so other keys are another provider of
// the same name. What it has issued is outside of it and stays known.
function provide(generations) {
  const provider = new Provider(issuer, { ...settings, jwks: { keys: generations.flat() } });
  provider.on('server_error', (ctx, error) => console.error(error));
  provider.on('grant.error', (ctx, error) => console.error(error.message, error.error_detail));
  return provider.callback();
}

// The newest, which signs, is first.
let generations = [generation()];
let answer = provide(generations);

const control = {
  '/control/rotate': () => [generation(), ...generations],
  '/control/forget': () => [generations[0]],
};

createServer((request, response) => {
  const change = request.method === 'POST' && control[request.url];
  if (!change) {
    answer(request, response);
    return;
  }
  generations = change();
  answer = provide(generations);
  response.end();
}).listen(port, '127.0.0.1', () => console.log(`ready: ${issuer}`));
