// A real OpenID Connect issuer for tests: node-oidc-provider with client credentials, one resource, and keys that can be rotated.
// node oidc-issuer.js PORT: prints "ready" when it listens on http://127.0.0.1:PORT. A line "rotate" on stdin puts a new key in front.
'use strict';

const { generateKeyPairSync, randomUUID } = require('node:crypto');
const http = require('node:http');
const readline = require('node:readline');

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const audience = 'https://keyservice.test';

const newKey = (alg) => {
  const pair = alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...pair.privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() };
};

const start = async () => {
  const { Provider } = await import('oidc-provider');
  let keys = [newKey('ES256'), newKey('RS256'), newKey('PS256')];
  const make = () => new Provider(issuer, {
    jwks: { keys },
    // The last one is known to the issuer and to nobody else.
    clients: [['job-es256', 'ES256'], ['job-rs256', 'RS256'], ['job-ps256', 'PS256'], ['job-unregistered', 'ES256']].map(([id, alg]) => ({
      client_id: id, client_secret: 'a secret of the tests and of nothing else', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
      id_token_signed_response_alg: alg,
    })),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: (context, resource, client) => ({
          scope: 'keys', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: client.idTokenSignedResponseAlg } },
        }),
      },
    },
  });
  let handle = make().callback();
  http.createServer((request, response) => handle(request, response)).listen(port, '127.0.0.1', () => console.log('ready'));
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'rotate') {
      keys = ['ES256', 'RS256', 'PS256'].map(newKey);
      handle = make().callback();
      console.log('rotated');
    }
  });
};

start().catch((error) => {
  console.error(error);
  process.exit(1);
});
