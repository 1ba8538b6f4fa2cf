// Generates a data key over mutual TLS, and encrypts and decrypts a field through the service. Needs @grpc/grpc-js, @grpc/proto-loader and
// the .proto files.
//
//   node field.js HOST:PORT CA CERTIFICATE KEY PROTO-ROOT KEY-NAME
'use strict';

const fs = require('node:fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [endpoint, ca, certificate, key, protoRoot, keyName] = process.argv.slice(2);
const definition = loader.loadSync(
  ['keyservice/v1/data_keys.proto', 'keyservice/v1/cipher.proto'], { includeDirs: [protoRoot], keepCase: true, enums: String });
const { keyservice: { v1 } } = grpc.loadPackageDefinition(definition);
const credentials = grpc.credentials.createSsl(fs.readFileSync(ca), fs.readFileSync(key), fs.readFileSync(certificate));
const dataKeys = new v1.DataKeys(endpoint, credentials);
const cipher = new v1.Cipher(endpoint, credentials);

const call = (client, method, request) => new Promise((resolve, reject) => {
  client[method](request, { deadline: Date.now() + 30000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
});
const row = (number) => ({
  entries: Object.entries({ database: 'ehr', table: 'patient', column: 'ssn', row: String(number) }).map(([name, value]) => ({ key: name, value })),
});

(async () => {
  // A data key for a format of your own: encrypt with the plaintext key, keep only the wrapped one beside the data.
  const binding = { use: 'DATA_KEY_USE_GENERAL', context: row(4711) };
  const made = await call(dataKeys, 'GenerateDataKey', { key: keyName, binding });
  const opened = await call(dataKeys, 'UnwrapDataKey', { wrapped: made.wrapped, binding });
  if (!opened.plaintext.equals(made.plaintext)) throw new Error('The data key came back as another.');
  console.log(`data key: ${made.plaintext.length} bytes, wrapped ${made.wrapped.length}, under version ${made.key_version}`);
  made.plaintext.fill(0);
  opened.plaintext.fill(0);

  // A field, encrypted inside the service: the token opens for its own row only.
  const sealed = await call(cipher, 'Encrypt', { key: keyName, context: row(4711), plaintext: Buffer.from('078-05-1120') });
  const plain = await call(cipher, 'Decrypt', { context: row(4711), ciphertext: sealed.ciphertext });
  console.log(`field: ${plain.plaintext.toString()}`);
  const refused = await call(cipher, 'Decrypt', { context: row(4712), ciphertext: sealed.ciphertext }).then(() => null, (error) => error);
  console.log(`another row: ${grpc.status[refused.code]}`);
  process.exit(0);
})().catch((error) => { console.error(error.message); process.exit(1); });
