// Splits and puts together secrets with an implementation of SLIP-39 that is not ours. One JSON request on stdin, one answer on stdout.
//   {"mnemonics": [...], "passphrase": "..."}                       -> {"secret": "hex"}
//   {"secret": "hex", "threshold": 3, "count": 5, "passphrase": ""} -> {"mnemonics": [...]}
'use strict';
const Slip39 = require('slip39');

const request = JSON.parse(require('fs').readFileSync(0, 'utf8'));
if (request.mnemonics) {
  const secret = Slip39.recoverSecret(request.mnemonics, request.passphrase);
  console.log(JSON.stringify({ secret: Buffer.from(secret).toString('hex') }));
} else {
  const slip = Slip39.fromArray(Array.from(Buffer.from(request.secret, 'hex')), {
    passphrase: request.passphrase, threshold: 1, groups: [[request.threshold, request.count]], title: 'interop', iterationExponent: 0,
  });
  console.log(JSON.stringify({ mnemonics: slip.fromPath('r/0').mnemonics }));
}
