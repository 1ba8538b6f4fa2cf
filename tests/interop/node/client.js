// A client of keyservice/v1 that shares nothing with ours: Google's gRPC for Node.js, stubs made at run time from the .proto files.
//
//   node client.js ENDPOINT CA CERTIFICATE KEY PROTO-ROOT KEY-NAME STREAM-MEBIBYTES
//
// ENDPOINT is HOST:PORT (mutual TLS) or unix:PATH (the peer's uid is the principal). Each step prints one line "ok NAME";
// the first that fails throws, and the exit code is 1.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [endpoint, ca, certificate, key, protoRoot, keyName, mebibytes] = process.argv.slice(2);
const definition = loader.loadSync(
  ['data_keys', 'cipher', 'system'].map((name) => `keyservice/v1/${name}.proto`),
  { includeDirs: [protoRoot], keepCase: true, longs: Number, enums: String, oneofs: true });
const { keyservice: { v1 } } = grpc.loadPackageDefinition(definition);
const credentials = endpoint.startsWith('unix:')
  ? grpc.credentials.createInsecure()
  : grpc.credentials.createSsl(fs.readFileSync(ca), fs.readFileSync(key), fs.readFileSync(certificate));

const dataKeys = new v1.DataKeys(endpoint, credentials);
const cipher = new v1.Cipher(endpoint, credentials);

const call = (client, method, request) => new Promise((resolve, reject) => {
  client[method](request, { deadline: Date.now() + 60000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
});
const context = (pairs) => ({ entries: Object.entries(pairs).map(([name, value]) => ({ key: name, value })) });
const done = (name) => console.log(`ok ${name}`);

async function refused(name, code, reason, promise) {
  const error = await promise.then(() => assert.fail(`${name} was answered`), (e) => e);
  assert.strictEqual(error.code, code, `${name}: ${error.message}`);
  const details = error.metadata.get('grpc-status-details-bin');
  assert.ok(details.length === 1 && details[0].includes(reason), `${name}: no ${reason} in the details`);
  done(name);
}

async function dataKey() {
  const binding = { use: 'DATA_KEY_USE_GENERAL', context: context({ table: 'patients', column: 'name' }) };
  const made = await call(dataKeys, 'GenerateDataKey', { key: keyName, binding });
  assert.strictEqual(made.plaintext.length, 32);
  assert.strictEqual(made.wrapped.length, 69);
  const back = await call(dataKeys, 'UnwrapDataKey', { wrapped: made.wrapped, binding });
  assert.ok(back.plaintext.equals(made.plaintext));
  assert.strictEqual(back.key, keyName);
  done('data key');

  const other = { ...binding, context: context({ table: 'patients', column: 'address' }) };
  await refused('data key under another context', grpc.status.INVALID_ARGUMENT, 'DECRYPTION_FAILED',
    call(dataKeys, 'UnwrapDataKey', { wrapped: made.wrapped, binding: other }));

  const many = await call(dataKeys, 'GenerateDataKeys', { key: keyName, binding, count: 1000, without_plaintext: true });
  assert.strictEqual(new Set(many.data_keys.map((one) => one.wrapped.toString('hex'))).size, 1000);
  assert.ok(many.data_keys.every((one) => !one.plaintext?.length));
  done('thousand data keys');
}

async function batch() {
  const shared = context({ table: 'patients' });
  const plain = Array.from({ length: 1000 }, (_, row) => ({ plaintext: crypto.randomBytes(row % 200), context: context({ row: String(row) }) }));
  const sealed = await call(cipher, 'EncryptBatch', { key: keyName, context: shared, items: plain });
  assert.strictEqual(sealed.results.length, plain.length);
  const items = sealed.results.map((one, row) => ({ ciphertext: one.data, context: context({ row: String(row) }) }));
  const opened = await call(cipher, 'DecryptBatch', { context: shared, items });
  opened.results.forEach((one, row) => assert.ok(one.data.equals(plain[row].plaintext), `row ${row}`));
  done('batch');

  // Two ciphertexts change rows: just those two do not open.
  [items[1].ciphertext, items[2].ciphertext] = [items[2].ciphertext, items[1].ciphertext];
  const swapped = await call(cipher, 'DecryptBatch', { context: shared, items });
  const failed = swapped.results.flatMap((one, row) => (one.result === 'error' ? [[row, one.error]] : []));
  assert.deepStrictEqual(failed, [[1, 'DECRYPTION_FAILED'], [2, 'DECRYPTION_FAILED']]);
  done('swapped rows');
}

// Sends messages as the server takes them, and gathers what it answers.
function stream(method, messages) {
  return new Promise((resolve, reject) => {
    const duplex = cipher[method]({ deadline: Date.now() + 120000 });
    const pieces = [];
    let summary = null;
    duplex.on('data', (message) => { if (message.summary) summary = message.summary; else pieces.push(message.data); });
    duplex.on('error', reject);
    duplex.on('end', () => resolve({ bytes: Buffer.concat(pieces), summary }));
    const next = () => {
      for (let step = messages.next(); !step.done; step = messages.next()) {
        if (!duplex.write(step.value)) { duplex.once('drain', next); return; }
      }
      duplex.end();
    };
    next();
  });
}

function* pieces(start, bytes, size) {
  yield { start };
  for (let at = 0; at < bytes.length; at += size) yield { data: bytes.subarray(at, at + size) };
  yield { finish: {} };
}

async function archive() {
  const plaintext = crypto.randomBytes(Number(mebibytes) * 1024 * 1024 + 12345);
  const start = { key: keyName, context: context({ job: 'node' }), content_name: 'node.bin' };
  const sealed = await stream('EncryptStream', pieces(start, plaintext, 1024 * 1024));
  assert.strictEqual(sealed.summary.plaintext_bytes, plaintext.length);
  assert.strictEqual(sealed.summary.archive_bytes, sealed.bytes.length);
  const opened = await stream('DecryptStream', pieces({ expected_context: context({ job: 'node' }) }, sealed.bytes, 300001));
  assert.ok(opened.bytes.equals(plaintext));
  assert.strictEqual(opened.summary.plaintext_bytes, plaintext.length);
  done('stream');

  sealed.bytes[sealed.bytes.length - 1] ^= 1;
  await refused('damaged stream', grpc.status.INVALID_ARGUMENT, 'DECRYPTION_FAILED', stream('DecryptStream', pieces({}, sealed.bytes, 1024 * 1024)));
  await refused('stream without an end', grpc.status.ABORTED, 'STREAM_INCOMPLETE',
    stream('EncryptStream', [{ start }, { data: plaintext.subarray(0, 1000) }].values()));
}

(async () => {
  await dataKey();
  await batch();
  await archive();
  process.exit(0);
})().catch((error) => { console.error(error.stack || error); process.exit(1); });
