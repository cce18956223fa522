'use strict';

const assert = require('node:assert/strict');
const { join } = require('node:path');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');
const { child, ended, firstLine, folder, opened } = require('./help.js');
const sqlite = require('./sqlite.js');
const { LiteStash, LiteStashError } = require('..');
const request = require('../lib/request.js');

/** A request that panics in the native part. */
const panic = (writer, key) => {
  const start = writer.at;
  const place = request.writeBare(writer, request.GET, key);
  writer.bytes[start] = 99;
  return place;
};

test('a panic is an error, and everything goes on', async (t) => {
  const stash = await opened(t);
  assert.throws(() => stash._sync(panic, 'k'), (error) => error instanceof LiteStashError && error.code === 'Internal');
  const around = [stash.set('a', 1), stash._write(panic, 'k'), stash.set('b', 2)];
  const [a, failed, b] = await Promise.allSettled(around);
  assert.deepEqual([a.status, failed.reason.code, b.status], ['fulfilled', 'Internal', 'fulfilled']);
  await assert.rejects(stash._many([1], request.MANY, false, panic, false, (answers) => answers), { code: 'Internal' });
  assert.deepEqual(await stash.getMany(['a', 'b']), [1, 2]);
});

test('inputs as large as they come are refused', async (t) => {
  const stash = await opened(t);
  const bytes = new Uint8Array(2 ** 31);
  assert.throws(() => stash.setSync('k', bytes), { code: 'TooLarge' });
  assert.throws(() => stash.getSync(bytes), { code: 'TooLarge' });
  await assert.rejects(stash.set('k', [bytes]), { code: 'TooLarge' });
  await assert.rejects(stash.set('k', 'é'.repeat(2 ** 29 - 30)), { code: 'TooLarge' });
  await assert.rejects(stash.set('k', new Float32Array(2 ** 29)), { code: 'TooLarge' });
  await assert.rejects(stash.set('k', new Array(2 ** 22).fill(null)), { code: 'TooLarge' });
  await assert.rejects(stash.set('k', new Uint8Array(2 ** 26 + 1)), { code: 'TooLarge' });
  const large = new Uint8Array(2 ** 26 - 5).fill(7);
  await stash.set('k', large);
  assert.deepEqual(Buffer.compare(await stash.get('k'), large), 0);
  assert.deepEqual(Buffer.compare(stash.getSync('k'), large), 0);
});

/** Holds the write lock of every shard of a stash until it is told to let go, with another SQLite in another process. */
function holdLocks(require, directory) {
  const { open } = require('./test/sqlite.js');
  const { readdirSync } = require('node:fs');
  const files = readdirSync(directory).filter((name) => name.endsWith('.db'));
  const databases = files.map((name) => open(`${directory}/${name}`));
  for (const database of databases) database.exec('BEGIN IMMEDIATE');
  console.log('held');
  process.stdin.once('data', () => {
    for (const database of databases) database.exec('ROLLBACK');
    for (const database of databases) database.close();
    process.exit();
  });
}

test('the event loop goes on while another process holds the locks', async (t) => {
  const stash = await opened(t);
  await stash.setMany(Array.from({ length: 500 }, (_, i) => [`k${i}`, i]));
  const holder = child(holdLocks, stash.path);
  const holderEnded = ended(holder);
  assert.equal(await firstLine(holder), 'held');
  let acknowledged = 0;
  const writes = Array.from({ length: 500 }, (_, i) => stash.set(`k${i}`, -i).then(() => acknowledged++));
  const others = [stash.increment('n'), stash.deleteMany(['k1', 'k2']), stash.setMany([['m', 1]])];
  await sleep(300);
  // Nothing could be written so far; reads, timers and other work went on.
  assert.equal(acknowledged, 0);
  const fresh = await LiteStash.open(stash.path, { cacheBytes: 0 });
  assert.equal(await fresh.get('k7'), 7);
  assert.equal(acknowledged, 0);
  holder.stdin.write('let go');
  await Promise.all([...writes, ...others]);
  assert.equal(await fresh.get('k7'), -7);
  await fresh.close();
  await holderEnded;
});

/** Writes without end, and prints what was acknowledged. */
function writeForEver(require, directory, meddles) {
  const { LiteStash } = require('litestash');
  const { readdirSync, writeSync } = require('node:fs');
  const stash = LiteStash.openSync(directory);
  const acknowledge = (i) => writeSync(1, `${i}\n`);
  const meddle = () => {
    const { open } = require('./test/sqlite.js');
    for (const name of readdirSync(directory).filter((file) => file.endsWith('.db'))) {
      const database = open(`${directory}/${name}`);
      database.prepare('SELECT count(*) FROM slot_0').get();
      database.close();
    }
  };
  (async () => {
    for (let i = 0; ; i += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, j) => stash.set(i + j, { i: i + j }).then(() => acknowledge(i + j))));
      if (meddles && i % 200 === 0) meddle();
    }
  })();
}

for (const meddles of [false, true]) {
  test(`nothing acknowledged is lost by kill -9${meddles ? `, beside ${sqlite.name} in the process` : ''}`, async (t) => {
    const directory = join(folder(t), 'stash');
    for (let round = 0; round < 3; round++) {
      const writer = child(writeForEver, directory, meddles);
      const done = ended(writer);
      await firstLine(writer);
      await sleep(300);
      writer.kill('SIGKILL');
      const { text } = await done;
      const acknowledged = text.split('\n').slice(0, -1).map(Number);
      assert.ok(acknowledged.length > 50, `${acknowledged.length} writes`);
      const stash = await LiteStash.open(directory);
      const values = [];
      for (let i = 0; i < acknowledged.length; i += 5000) values.push(...(await stash.getMany(acknowledged.slice(i, i + 5000))));
      assert.deepEqual(values, acknowledged.map((i) => ({ i })));
      assert.deepEqual((await stash.verify()).problems, []);
      await stash.clear();
      await stash.close();
    }
  });
}

test('a worker that is terminated in the middle of its writes loses nothing and crashes nothing', async (t) => {
  const directory = join(folder(t), 'stash');
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { LiteStash } = require(workerData.package);
    const stash = LiteStash.openSync(workerData.directory);
    (async () => {
      for (let i = 0; ; i++) {
        await Promise.all(Array.from({ length: 50 }, (_, j) => stash.set(i * 50 + j, i).then(() => parentPort.postMessage(i * 50 + j))));
      }
    })();`;
  const acknowledged = new Set();
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(code, { eval: true, workerData: { package: join(__dirname, '..'), directory } });
    worker.on('message', (key) => acknowledged.add(key));
    await new Promise((resolve) => worker.once('message', resolve));
    await sleep(100);
    await worker.terminate();
  }
  const stash = await LiteStash.open(directory);
  for (const key of acknowledged) assert.notEqual(await stash.get(key), undefined, String(key));
  assert.ok(acknowledged.size > 50);
  await stash.close();
});

test('workers use one stash at the same time', async (t) => {
  const directory = join(folder(t), 'stash');
  const code = `
    const { workerData } = require('node:worker_threads');
    const { LiteStash } = require(workerData.package);
    (async () => {
      const stash = await LiteStash.open(workerData.directory);
      await Promise.all(Array.from({ length: 500 }, () => stash.increment('n')));
      await stash.close();
    })();`;
  const run = () => new Promise((resolve, reject) => {
    const worker = new Worker(code, { eval: true, workerData: { package: join(__dirname, '..'), directory } });
    worker.once('error', reject).once('exit', resolve);
  });
  assert.deepEqual(await Promise.all([run(), run(), run()]), [0, 0, 0]);
  const stash = await LiteStash.open(directory);
  assert.equal(await stash.get('n'), 1500);
  await stash.close();
});

test('an open stash holds no process, and promises that are waited for do', async (t) => {
  const directory = join(folder(t), 'stash');
  const idle = child((require, place) => {
    const { LiteStash } = require('litestash');
    LiteStash.open(place).then(async (stash) => {
      await stash.set('k', 1);
      setImmediate(() => console.log('free'));
      stash.set('last', 2).then(() => console.log('acknowledged'));
    });
  }, directory);
  const { text, code } = await ended(idle);
  assert.deepEqual([text.trim().split('\n').sort(), code], [['acknowledged', 'free'], 0]);
  const stash = await LiteStash.open(directory);
  assert.equal(await stash.get('last'), 2);
  await stash.close();
});

test('callbacks that throw leave everything as it was', async (t) => {
  const stash = await opened(t);
  await stash.set('a', 1);
  const mine = new Error('mine');
  assert.throws(() => { for (const _ of stash) throw mine; }, mine);
  await assert.rejects((async () => { for await (const _ of stash) throw mine; })(), mine);
  const operations = { *[Symbol.iterator]() { yield { op: 'get', key: 'a' }; throw mine; } };
  assert.throws(() => stash.applySync(operations), mine);
  await assert.rejects(stash.apply(operations), mine);
  assert.deepEqual(await stash.apply([{ op: 'get', key: 'a' }]), [{ status: 'fulfilled', value: 1 }]);
});
