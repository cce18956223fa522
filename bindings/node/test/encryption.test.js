'use strict';

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { readFileSync, readdirSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { folder } = require('./help.js');
const { LiteStash } = require('..');

/** Everything in the files of a directory. */
const contentOf = (directory) =>
  Buffer.concat(readdirSync(directory, { withFileTypes: true }).filter((file) => file.isFile()).map(({ name }) => readFileSync(join(directory, name))));

test('an encrypted stash', async (t) => {
  const directory = join(folder(t), 'stash');
  const encryptionKey = randomBytes(32);
  const stash = await LiteStash.open(directory, { encryptionKey });
  assert.equal(stash.encrypted, true);
  await stash.setMany(Array.from({ length: 600 }, (_, i) => [`plain key ${i}`, `plain value ${i}`]));
  await stash.transaction([{ op: 'set', key: 'a', value: 1 }, { op: 'set', key: 'b', value: 2 }]);
  await stash.bucket('names').set('inner', 'plain value');
  assert.equal(await stash.getOrSet('c', () => 'plain value'), 'plain value');
  const keys = [];
  for await (const key of stash.keys()) keys.push(key);
  // A cursor goes by the hashes that the stash has, which depend on its key.
  for (const stop of [0, 1, 255, 256, 300, keys.length]) {
    const scan = stash.keysSync();
    for (let i = 0; i < stop; i++) scan.next();
    assert.deepEqual([...stash.keysSync({ cursor: scan.cursor })], keys.slice(stop));
  }
  assert.deepEqual((await stash.verify()).problems, []);
  await stash.close();
  assert.equal(contentOf(directory).includes('plain'), false);
  for (const wrong of [{}, { encryptionKey: randomBytes(32) }, { passphrase: 'open sesame' }]) {
    await assert.rejects(LiteStash.open(directory, wrong), { code: 'WrongKey' });
    assert.throws(() => LiteStash.openSync(directory, wrong), { code: 'WrongKey' });
  }
  for (const wrong of [{ encryptionKey: randomBytes(31) }, { encryptionKey: 'key' }, { passphrase: '' }, { passphrase: 5 }, { encryptionKey, passphrase: 'both' }]) {
    await assert.rejects(LiteStash.open(directory, wrong), { code: 'InvalidArgument' });
  }
  const repaired = join(folder(t), 'repaired');
  await assert.rejects(LiteStash.repair(directory, repaired), { code: 'WrongKey' });
  assert.equal((await LiteStash.repair(directory, repaired, { encryptionKey })).rows, 604);
});

test('keys change while a stash is in use', async (t) => {
  const directory = join(folder(t), 'stash');
  const stash = await LiteStash.open(directory, { passphrase: 'open sesame' });
  await stash.setMany(Array.from({ length: 100 }, (_, i) => [i, i]));
  const { resealed, finished } = await stash.rotateKey();
  assert.deepEqual([resealed, finished], [100, true]);
  assert.equal(stash.rotateKeySync().resealed, 100);
  await assert.rejects(stash.rotateKey({ signal: AbortSignal.abort() }), { code: 'Cancelled' });
  const encryptionKey = randomBytes(32);
  await stash.changeKey(encryptionKey);
  assert.equal(await stash.get(7), 7);
  await stash.close();
  await assert.rejects(LiteStash.open(directory, { passphrase: 'open sesame' }), { code: 'WrongKey' });
  const again = await LiteStash.open(directory, { encryptionKey });
  assert.equal(again.getSync(7), 7);
  again.changePassphraseSync('another');
  await assert.rejects(again.changeKey('key'), { code: 'InvalidArgument' });
  await assert.rejects(again.changePassphrase(''), { code: 'InvalidArgument' });
  await again.close();
  const last = LiteStash.openSync(directory, { passphrase: 'another' });
  assert.equal(await last.len(), 100);
  await last.close();
  const plain = LiteStash.memory();
  assert.equal(plain.encrypted, false);
  await assert.rejects(plain.rotateKey(), { code: 'InvalidArgument' });
});

test('compression', async (t) => {
  const value = 'the same again and again '.repeat(1000);
  const sizes = [];
  for (const compression of [false, true, { level: 9, minBytes: 100 }]) {
    const stash = await LiteStash.open(join(folder(t), 'stash'), { compression });
    await stash.set('k', value);
    assert.equal(await stash.get('k'), value);
    sizes.push((await stash.stats()).recordBytes);
    await stash.close();
  }
  assert.ok(sizes[1] < sizes[0] / 10 && sizes[2] < sizes[0] / 10, String(sizes));
  for (const compression of [{ level: 0 }, { level: 20 }, { level: 1.5 }, { minBytes: -1 }, 'zstd']) {
    assert.throws(() => LiteStash.memory({ compression }), { code: 'InvalidArgument' });
  }
});
