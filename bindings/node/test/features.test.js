'use strict';

const assert = require('node:assert/strict');
const { join } = require('node:path');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');
const { child, ended, firstLine, folder, opened } = require('./help.js');
const { LiteStash, Watch } = require('..');

/** Runs a test with the promises, and with their twins behind promises. */
function both(name, body) {
  const run = (call) => (t) => body(t, call, (options) => opened(t, options));
  test(`${name}, by promise`, run((stash, method, ...given) => stash[method](...given)));
  test(`${name}, here and now`, run(async (stash, method, ...given) => stash[`${method}Sync`](...given)));
}

both('deadlines that slide', async (t, call, open) => {
  const stash = await open();
  await call(stash, 'set', 'k', 1, { idle: 60_000 });
  const entry = await call(stash, 'entry', 'k');
  assert.deepEqual([entry.idle, entry.idleMicros], [60_000, 60_000_000n]);
  await call(stash, 'set', 'k', 2, { keepTtl: true });
  assert.equal((await call(stash, 'entry', 'k')).idle, 60_000);
  assert.equal(await call(stash, 'touch', 'k'), true);
  assert.equal(await call(stash, 'touch', 'none'), false);
  assert.equal(await call(stash, 'expire', 'k', { idle: 5_000_000n }), true);
  assert.equal((await call(stash, 'entry', 'k')).idle, 5000);
  assert.equal(await call(stash, 'expire', 'k', { expiresAt: null }), true);
  assert.equal(await call(stash, 'ttl', 'k'), null);
  for (const wrong of [{ idle: 0 }, { idle: 1, ttl: 1 }, { idle: '1' }, {}]) {
    await assert.rejects(call(stash, 'expire', 'k', wrong), { code: 'InvalidArgument' });
  }
});

both('deadlines without being said, and what removes rows', async (t, call, open) => {
  const stash = await open({ clock: 1_000_000_000n, defaultTtl: 1000 });
  await call(stash, 'set', 'a', 1);
  await call(stash, 'set', 'b', 1, { ttl: 5000 });
  await call(stash, 'set', 'c', 1, { expiresAt: null });
  assert.equal(await call(stash, 'expiresAt', 'a'), 1_001_000_000n);
  stash._advanceClock(2_000_000n);
  assert.deepEqual(await call(stash, 'sweep'), { rows: 1, hints: 1, unreadable: 0, postponed: false });
  assert.equal(stash.expiryStats.sweptRows, 1);
  assert.equal(await call(stash, 'expireOlderThan', 3000), 0);
  assert.equal(await call(stash, 'expireOlderThan', 1_000_000n, { prefix: 'b' }), 1);
  assert.deepEqual([await call(stash, 'len'), await call(stash, 'isEmpty')], [1, false]);
  await assert.rejects(call(stash, 'expireOlderThan', -1), { code: 'InvalidArgument' });
  await assert.rejects(call(stash, 'expireOlderThan'), { code: 'InvalidArgument' });
});

both('limits', async (t, call, open) => {
  const full = await open({ limits: { rows: 3 } });
  for (const key of ['a', 'b', 'c']) await call(full, 'set', key, 1);
  await assert.rejects(call(full, 'set', 'd', 1), { code: 'LimitReached' });
  await call(full, 'set', 'a', 2);
  const { limits } = await call(full, 'stats');
  assert.deepEqual(limits.limits, { bytes: null, rows: 3, eviction: 'none' });
  assert.equal(limits.countedRows, 3);
  const evicting = await open({ limits: { rows: 3, eviction: 'leastRecentlyStored' }, background: false });
  for (let i = 0; i < 10; i++) await call(evicting, 'set', i, i);
  const stats = await call(evicting, 'stats');
  assert.deepEqual([stats.rows <= 3, stats.limits.evictedRows >= 7, stats.limits.limits.eviction], [true, true, 'leastRecentlyStored']);
  for (const limits of [{ rows: 0 }, { rows: 1.5 }, { bytes: 5 }, { eviction: 'most' }, 5]) {
    assert.throws(() => LiteStash.memory({ limits }), { code: 'InvalidArgument' });
  }
});

both('buckets', async (t, call, open) => {
  const stash = await open({ defaultTtl: 60_000 });
  const sessions = stash.bucket('sessions', { defaultTtl: null, limits: { rows: 100 } });
  const pages = stash.bucket('pages');
  assert.deepEqual([sessions.bucketName, stash.bucketName, await call(stash, 'buckets')], ['sessions', undefined, []]);
  await call(sessions, 'set', 'k', 1);
  await call(pages, 'set', 'k', 2);
  assert.deepEqual([await call(stash, 'get', 'k'), await call(sessions, 'get', 'k'), await call(pages, 'get', 'k')], [undefined, 1, 2]);
  assert.deepEqual([await call(sessions, 'ttl', 'k'), (await call(pages, 'ttl', 'k')) > 0], [null, true]);
  assert.deepEqual(await call(stash, 'buckets'), ['pages', 'sessions']);
  assert.deepEqual([(await call(stash, 'stats')).buckets.buckets, (await call(sessions, 'stats')).rows], [2, 1]);
  assert.throws(() => stash.bucket('sessions', { cache: false }), { code: 'InvalidArgument' });
  assert.equal(await call(stash, 'dropBucket', 'pages'), true);
  assert.equal(await call(stash, 'dropBucket', 'pages'), false);
  assert.equal(await call(pages, 'get', 'k'), undefined);
  await call(pages, 'set', 'k', 3);
  for (const name of ['', '\ud800', 'x'.repeat(300), 5, undefined]) {
    assert.throws(() => stash.bucket(name), { code: 'InvalidArgument' });
    await assert.rejects(call(stash, 'dropBucket', name), { code: 'InvalidArgument' });
  }
  assert.throws(() => sessions.bucket('inner'), { code: 'InvalidArgument' });
  await call(stash, 'close');
  await assert.rejects(call(pages, 'get', 'k'), { code: 'Closed' });
});

test('a bucket that is asked for again is the same handle', async (t) => {
  const stash = await opened(t);
  const bucket = stash.bucket('b', { valueBytesMax: 1000 });
  assert.equal(stash.bucket('b'), bucket);
  assert.equal(stash.bucket('b', { valueBytesMax: 1000 }), bucket);
  assert.notEqual(stash.bucket('b', { valueBytesMax: 1000, durability: 'full' }), bucket);
  assert.equal(stash.withDurability('full').bucket('b').durability, 'full');
  const done = [];
  for (let i = 0; i < 100; i++) {
    done.push(stash.bucket('b').set('k', i));
    done.push(stash.bucket('b').get('k').then((value) => assert.equal(value, i)));
  }
  await Promise.all(done);
  await stash.bucket('b').close();
  assert.equal(await stash.bucket('b').get('k'), 99);
});

test('closing and dropping wait for what was asked of buckets before', async (t) => {
  const stash = await opened(t);
  const bucket = stash.bucket('b');
  const writes = Array.from({ length: 100 }, (_, i) => bucket.set(i, i));
  assert.equal(await stash.dropBucket('b'), true);
  await Promise.all(writes);
  assert.equal(await bucket.len(), 0);
  const more = Array.from({ length: 100 }, (_, i) => bucket.set(i, i));
  await stash.close();
  await Promise.all(more);
  const again = await LiteStash.open(stash.path);
  assert.equal(await again.bucket('b').len(), 100);
  await again.close();
});

both('transactions', async (t, call, open) => {
  const stash = await open();
  await call(stash, 'setMany', [['ada', 100], ['bob', 0]]);
  const version = (await call(stash, 'entry', 'bob')).version;
  const move = (by, ...more) => [{ op: 'increment', key: 'ada', by: -by }, { op: 'increment', key: 'bob', by }, ...more];
  const done = await call(stash, 'transaction', move(30, { op: 'get', key: 'ada' }, { op: 'add', key: 'log', value: ['moved', 30] }));
  assert.deepEqual([done.committed, done.results.slice(0, 3), typeof done.results[3]], [true, [70, 30, 70], 'bigint']);
  const refusals = [
    { op: 'check', key: 'ada', ifAbsent: true }, { op: 'check', key: 'bob', ifVersion: version }, { op: 'check', key: 'ada', expected: 5 },
    { op: 'compareAndSet', key: 'ada', expected: 5, value: 6 }, { op: 'add', key: 'ada', value: 1 },
  ];
  for (const refusal of refusals) {
    assert.deepEqual(await call(stash, 'transaction', move(10, refusal)), { committed: false, index: 2 });
  }
  await assert.rejects(call(stash, 'transaction', move(10, { op: 'increment', key: 'log' })), { code: 'TypeMismatch' });
  await assert.rejects(call(stash, 'transaction', move(10, { op: 'set', key: 'x', value: undefined })), { code: 'InvalidValue' });
  await assert.rejects(call(stash, 'transaction', move(10, { op: 'check', key: 'x' })), { code: 'InvalidArgument' });
  assert.deepEqual(await call(stash, 'getMany', ['ada', 'bob']), [70, 30]);
  assert.deepEqual(await call(stash, 'transaction', []), { committed: true, results: [] });
  assert.equal(await call(stash, 'check', 'ada', { expected: 70 }), true);
  assert.equal(await call(stash, 'check', 'ada', { ifAbsent: true }), false);
  await assert.rejects(call(stash, 'check', 'ada', { ifAbsent: true, expected: 1 }), { code: 'InvalidArgument' });
});

test('transactions keep their place among what else is asked for', async (t) => {
  const stash = await opened(t);
  const keys = Array.from({ length: 40 }, (_, i) => `account:${i}`);
  const total = async () => (await stash.getMany(keys)).reduce((sum, value) => sum + value, 0);
  await stash.setMany(keys.map((key) => [key, 100]));
  const moves = [];
  for (let i = 0; i < 300; i++) {
    const [from, to] = [keys[(i * 7) % 40], keys[(i * 13 + 1) % 40]];
    if (i % 3 === 0) moves.push(stash.increment(from, 1).then(() => stash.increment(from, -1)));
    moves.push(stash.transaction([{ op: 'increment', key: from, by: -1 }, { op: 'increment', key: to, by: 1 }]));
  }
  for (const done of (await Promise.all(moves)).filter((it) => typeof it === 'object')) assert.equal(done.committed, true);
  assert.equal(await total(), 4000);
  // One of several shards takes its place between writes of its keys.
  const order = [
    stash.set('a', 1), stash.set('b', 1), stash.transaction([{ op: 'increment', key: 'a' }, { op: 'increment', key: 'b' }]),
    stash.increment('a', 10), stash.get('a'), stash.get('b'),
  ];
  assert.deepEqual((await Promise.all(order)).slice(2), [{ committed: true, results: [2, 2] }, 12, 12, 2]);
});

test('events of an emitter', async (t) => {
  const stash = await opened(t);
  const watch = stash.watchSync({ prefix: 'user:' });
  assert.ok(watch instanceof Watch);
  const seen = [];
  watch.on('change', ({ kind, key, own, missed }) => seen.push([kind, key, own, missed]));
  const sets = [];
  watch.on('set', ({ version }) => sets.push(version));
  const version = stash.setSync('user:1', 1);
  await stash.set('other', 1);
  await stash.delete('user:1');
  await stash.clear();
  await stash.waitFor('none', () => false, { timeout: 50 });
  assert.deepEqual(sets, [version]);
  assert.deepEqual(seen.slice(0, 2), [['set', 'user:1', true, 0], ['delete', 'user:1', true, 0]]);
  assert.ok(seen.slice(2).every(([kind, key]) => kind === 'clear' && key === undefined) && seen.length > 2);
  const once = stash.watchSync();
  const heard = [];
  once.on('set', ({ key }) => {
    heard.push(key);
    once.close();
  });
  await Promise.all(Array.from({ length: 50 }, (_, i) => stash.set(i, i)));
  await sleep(50);
  assert.equal(heard.length, 1);
  let last = 0;
  watch.on('end', () => last++);
  await stash.close();
  await sleep(20);
  assert.deepEqual([last, watch.ended, watch.dropped], [1, true, 0]);
  watch.close();
  assert.equal(last, 1);
});

test('events by iteration', async (t) => {
  const stash = await opened(t);
  const watch = await stash.watch({ kinds: ['set'], key: 5n });
  await stash.set(5, 1);
  await stash.set(6, 1);
  await stash.set(5.0, 2);
  const seen = [];
  for await (const { key, kind } of watch) {
    seen.push([kind, key]);
    if (seen.length === 2) break;
  }
  assert.deepEqual([seen, watch.ended], [[['set', 5], ['set', 5]], true]);
  const controller = new AbortController();
  const stopped = await stash.watch({ signal: controller.signal });
  const waiting = stopped.next();
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, (error) => error.code === 'Cancelled' && error.cause.message === 'enough');
  await assert.rejects(stash.watch({ signal: controller.signal }), { code: 'Cancelled' });
  const closing = await stash.watch();
  const end = closing.next();
  await stash.close();
  assert.deepEqual(await end, { value: undefined, done: true });
  await assert.rejects(stash.watch(), { code: 'Closed' });
  assert.throws(() => stash.watchSync(), { code: 'Closed' });
});

test('what cannot be watched', async (t) => {
  const stash = await opened(t);
  const wrong = [{ kinds: [] }, { kinds: ['most'] }, { key: 'a', prefix: 'b' }, { prefix: 5 }, { capacity: 0 }, { capacity: 1.5 }, { kinds: ['access'], allProcesses: true }, { signal: 5 }, 5];
  for (const options of wrong) {
    await assert.rejects(stash.watch(options), { code: 'InvalidArgument' });
    assert.throws(() => stash.watchSync(options), { code: 'InvalidArgument' });
  }
  await assert.rejects(stash.watch({ key: NaN }), { code: 'InvalidKey' });
  assert.throws(() => new Watch(), { code: 'InvalidArgument' });
});

test('events that nobody takes are dropped and counted, and hold nobody up', async (t) => {
  const stash = await opened(t);
  const watch = await stash.watch({ capacity: 10 });
  for (let i = 0; i < 5; i++) await stash.setMany(Array.from({ length: 1000 }, (_, j) => [j, i]));
  await sleep(50);
  const { dropped } = watch;
  assert.ok(dropped > 3000 && dropped < 5000, String(dropped));
  let [events, missed] = [0, 0];
  watch.on('change', (event) => {
    events++;
    missed += event.missed;
  });
  await sleep(50);
  await stash.set('last', 1);
  await sleep(50);
  assert.deepEqual([events + missed, missed], [5001, dropped]);
  watch.close();
});

test('a listener that throws keeps nothing from others', async (t) => {
  const directory = join(folder(t), 'stash');
  const listening = child((require, place) => {
    const { LiteStash } = require('litestash');
    const caught = [];
    process.on('uncaughtException', (error) => caught.push(error.message));
    LiteStash.open(place).then(async (stash) => {
      const watch = await stash.watch();
      const heard = [];
      watch.on('set', () => { throw new Error('mine'); });
      watch.on('change', ({ key }) => heard.push(key));
      await Promise.all([stash.set('a', 1), stash.set('b', 1), stash.set('c', 1)]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      console.log(heard.sort().join(), caught.join());
    });
  }, directory);
  const { text, code } = await ended(listening);
  assert.deepEqual([text.trim(), code], ['a,b,c mine,mine,mine', 0]);
});

test('a watcher hears of other processes and of workers', async (t) => {
  const stash = await opened(t);
  const watch = await stash.watch({ allProcesses: true });
  const writer = child((require, place) => {
    const { LiteStash } = require('litestash');
    const stash = LiteStash.openSync(place);
    stash.setSync('from:process', 1);
    stash.deleteSync('from:process');
    stash.closeSync();
  }, stash.path);
  await ended(writer);
  const code = `
    const { workerData } = require('node:worker_threads');
    const { LiteStash } = require(workerData.package);
    const stash = LiteStash.openSync(workerData.path);
    stash.watchSync().on('set', () => stash.closeSync());
    stash.setSync('from:worker', 1);`;
  const worker = new Worker(code, { eval: true, workerData: { package: join(__dirname, '..'), path: stash.path } });
  const seen = [];
  for await (const { kind, key, own } of watch) {
    seen.push([kind, key, own]);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, [['set', 'from:process', false], ['delete', 'from:process', false], ['set', 'from:worker', false]]);
  await worker.terminate();
});

test('a worker that ends in the middle of events takes nothing with it', async (t) => {
  const stash = await opened(t);
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { LiteStash } = require(workerData.package);
    const stash = LiteStash.openSync(workerData.path);
    stash.watchSync({ allProcesses: true }).on('set', () => parentPort.postMessage(1));
    const idle = stash.watchSync();
    setInterval(() => stash.set('w', 1), 1);`;
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(code, { eval: true, workerData: { package: join(__dirname, '..'), path: stash.path } });
    await new Promise((resolve) => worker.once('message', resolve));
    const writes = Array.from({ length: 2000 }, (_, i) => stash.set(i, i));
    await worker.terminate();
    await Promise.all(writes);
  }
  assert.deepEqual((await stash.verify()).problems, []);
});

test('a worker that ends while it computes holds nobody up for longer than its lease', async (t) => {
  const stash = await opened(t);
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { LiteStash } = require(workerData.package);
    const stash = LiteStash.openSync(workerData.path);
    const never = () => { parentPort.postMessage(1); return new Promise(() => {}); };
    for (let i = 0; i < 20; i++) stash.getOrSet(i, never, { lease: 100 });
    setInterval(() => {}, 1000);`;
  const worker = new Worker(code, { eval: true, workerData: { package: join(__dirname, '..'), path: stash.path } });
  await new Promise((resolve) => worker.once('message', resolve));
  await sleep(50);
  await worker.terminate();
  const values = await Promise.all(Array.from({ length: 20 }, (_, i) => stash.getOrSet(i, () => i, { lease: 100 })));
  assert.deepEqual(values, Array.from({ length: 20 }, (_, i) => i));
});

test('waiting for a value', async (t) => {
  const stash = await opened(t);
  const waiting = stash.waitFor('job', (value) => value === 'done', { timeout: 60_000 });
  const writer = child((require, place) => {
    const { LiteStash } = require('litestash');
    const stash = LiteStash.openSync(place);
    stash.setSync('job', 'begun');
    stash.setSync('job', 'done');
    stash.closeSync();
  }, stash.path);
  assert.equal(await waiting, true);
  await ended(writer);
  assert.equal(await stash.waitFor('job', (value) => value === undefined, { timeout: 20 }), false);
  await assert.rejects(stash.waitFor('job', () => { throw new Error('mine'); }), { message: 'mine' });
  const signal = AbortSignal.timeout(20);
  await assert.rejects(stash.waitFor('job', () => false, { signal }), { code: 'Cancelled' });
  await assert.rejects(stash.waitFor('job', 5), { code: 'InvalidArgument' });
});

test('waiting for a value here and now', async (t) => {
  const stash = await opened(t);
  const writer = child((require, place) => {
    const { LiteStash } = require('litestash');
    const stash = LiteStash.openSync(place);
    stash.setSync('job', 'begun');
    stash.setSync('job', 'done');
    stash.closeSync();
  }, stash.path);
  const done = ended(writer);
  const seen = [];
  const isDone = (value) => {
    seen.push(value);
    return value === 'done';
  };
  assert.equal(stash.waitForSync('job', isDone, { timeout: 60_000 }), true);
  assert.deepEqual([seen[0], seen.indexOf('done')], [undefined, seen.length - 1]);
  await done;
  assert.equal(stash.waitForSync('job', (value) => value === undefined, { timeout: 20 }), false);
  assert.equal(stash.waitForSync('job', (value) => value === 'done', { timeout: 0 }), true);
  assert.throws(() => stash.waitForSync('job', () => { throw new Error('mine'); }), { message: 'mine' });
  const wrong = [[5], [async () => false], [() => false, 5], [() => false, { timeout: -1 }], [() => false, { signal: AbortSignal.timeout(5) }]];
  for (const given of wrong) assert.throws(() => stash.waitForSync('job', ...given), { code: 'InvalidArgument' });
  assert.throws(() => stash.waitForSync(NaN, () => true), { code: 'InvalidKey' });
  await stash.close();
  assert.throws(() => stash.waitForSync('job', () => true), { code: 'Closed' });
});

/** Asks for a value that takes long to compute, and says what came and whether it computed. */
function computes(require, place, name) {
  const { LiteStash } = require('litestash');
  LiteStash.open(place).then(async (stash) => {
    let own = false;
    const compute = async () => {
      own = true;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return name;
    };
    console.log('ready');
    process.stdin.once('data', async () => {
      console.log(`${await stash.getOrSet('k', compute, { lease: 1000 })},${own}`);
      await stash.close();
      process.exit();
    });
  });
}

test('one computation over all processes', async (t) => {
  const directory = join(folder(t), 'stash');
  const processes = ['a', 'b', 'c'].map((name) => child(computes, directory, name));
  const done = processes.map(ended);
  await Promise.all(processes.map(firstLine));
  for (const running of processes) running.stdin.write('go');
  const answers = (await Promise.all(done)).map(({ text }) => text.trim().split('\n').at(-1).split(','));
  assert.equal(new Set(answers.map(([value]) => value)).size, 1, String(answers));
  assert.equal(answers.filter(([, own]) => own === 'true').length, 1, String(answers));
});

test('who dies while it computes holds the others up for its lease only', async (t) => {
  const directory = join(folder(t), 'stash');
  const holder = child((require, place) => {
    const { LiteStash } = require('litestash');
    LiteStash.open(place).then((stash) => stash.getOrSet('k', () => {
      console.log('computing');
      return new Promise((resolve) => setTimeout(resolve, 60_000));
    }, { lease: 200 }));
  }, directory);
  const gone = ended(holder);
  assert.equal(await firstLine(holder), 'computing');
  const stash = await LiteStash.open(directory);
  let isOwn = false;
  const own = stash.getOrSet('k', () => { isOwn = true; return 'mine'; }, { lease: 200 });
  await sleep(500);
  // It renews its lease while it lives.
  assert.equal(isOwn, false);
  holder.kill('SIGKILL');
  await gone;
  assert.equal(await own, 'mine');
  await stash.close();
});

test('handles of one thread share a computation, and none waits for itself', async (t) => {
  const stash = await opened(t);
  const other = await LiteStash.open(stash.path);
  let computed = 0;
  const compute = async () => {
    computed++;
    await sleep(30);
    return { n: computed };
  };
  const values = await Promise.all([stash.getOrSet('k', compute), other.getOrSet('k', compute), stash.getOrSet('k', compute)]);
  assert.deepEqual([values, computed], [[{ n: 1 }, { n: 1 }, { n: 1 }], 1]);
  // Waiting here and now for what this thread computes would be for ever.
  const slow = stash.getOrSet('s', async () => { await sleep(30); return 'slow'; });
  await sleep(10);
  assert.equal(other.getOrSetSync('s', () => 'fast'), 'fast');
  assert.equal(await slow, 'fast');
  assert.equal(stash.getOrSetSync('n', () => other.getOrSetSync('n', () => 'inner') + '!'), 'inner');
  // Hundreds at once take no thread each.
  const many = Array.from({ length: 500 }, (_, i) => stash.getOrSet(`many:${i}`, async () => { await sleep(20); return i; }));
  assert.deepEqual(await Promise.all(many), Array.from({ length: 500 }, (_, i) => i));
  const nested = Array.from({ length: 100 }, (_, i) => stash.getOrSet(`outer:${i}`, () => stash.getOrSet(`inner:${i}`, () => i)));
  assert.deepEqual(await Promise.all(nested), Array.from({ length: 100 }, (_, i) => i));
  await other.close();
});

test('waiting here and now for a turn that this thread was given and has not heard of', async (t) => {
  const stash = await opened(t);
  const other = await LiteStash.open(stash.path);
  const native = require('../lib/native.js');
  const { startGetOrSet } = native;
  let fast;
  native.startGetOrSet = (...given) => {
    native.startGetOrSet = startGetOrSet;
    startGetOrSet(...given);
    // By then the turn is taken, and its answer lies in the mailbox of this thread.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    fast = other.getOrSetSync('k', () => 'fast');
  };
  assert.equal(await stash.getOrSet('k', () => 'slow'), 'fast');
  assert.equal(fast, 'fast');
  await other.close();
});

test('stale values while the next is computed', async (t) => {
  const stash = await opened(t);
  const options = { ttl: 20, staleWhileRevalidate: 60_000 };
  let round = 0;
  const compute = async () => {
    const own = ++round;
    await sleep(own === 1 ? 0 : 60);
    return own;
  };
  assert.equal(await stash.getOrSet('k', compute, options), 1);
  assert.equal(await stash.getOrSet('k', compute, options), 1);
  await sleep(30);
  const next = stash.getOrSet('k', compute, options);
  await sleep(20);
  const stale = await Promise.all(Array.from({ length: 10 }, () => stash.getOrSet('k', compute, options)));
  assert.deepEqual([stale, round], [new Array(10).fill(1), 2]);
  assert.equal(await next, 2);
  await sleep(30);
  const fails = () => { throw new Error('mine'); };
  await assert.rejects(stash.getOrSet('k', fails, options), { code: 'ComputeFailed' });
  assert.equal(await stash.getOrSet('k', compute, options), 3);
  for (const wrong of [{ staleWhileRevalidate: 5 }, { lease: 1 }, { lease: -5 }, { ttl: 1, idle: 1 }, 5]) {
    await assert.rejects(stash.getOrSet('x', () => 1, wrong), { code: 'InvalidArgument' });
    assert.throws(() => stash.getOrSetSync('x', () => 1, wrong), { code: 'InvalidArgument' });
  }
  const slow = stash.memoize(compute, { ...options, key: () => 'memo' });
  assert.equal(await slow(), 4);
});
