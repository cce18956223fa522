'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { folder, opened } = require('./help.js');
const { LiteStash, LiteStashError, Entry } = require('..');

/** Runs a test with the promises, and with their twins behind promises. */
function both(name, body) {
  test(`${name}, by promise`, async (t) => body(t, await opened(t), (stash, method, ...given) => stash[method](...given)));
  test(`${name}, here and now`, async (t) => body(t, await opened(t), async (stash, method, ...given) => stash[`${method}Sync`](...given)));
}

both('one key', async (t, stash, call) => {
  assert.equal(await call(stash, 'get', 'k'), undefined);
  const version = await call(stash, 'set', 'k', null);
  assert.equal(typeof version, 'bigint');
  assert.equal(await call(stash, 'get', 'k'), null);
  assert.equal(await call(stash, 'exists', 'k'), true);
  const entry = await call(stash, 'entry', 'k');
  assert.ok(entry instanceof Entry);
  assert.deepEqual({ ...entry }, { value: null, version, expiresAtMicros: null, size: 1, idleMicros: null });
  assert.equal(entry.expiresAt, null);
  assert.equal(await call(stash, 'add', 'k', 1), false);
  assert.equal(await call(stash, 'replace', 'k', 2), true);
  assert.equal(await call(stash, 'replace', 'other', 2), false);
  assert.equal(await call(stash, 'compareAndSet', 'k', 1, 3), false);
  assert.equal(await call(stash, 'compareAndSet', 'k', 2, { a: 1 }), true);
  assert.equal(await call(stash, 'compareAndSet', 'new', undefined, 3), true);
  assert.equal(await call(stash, 'set', 'k', 4, { ifVersion: version }), undefined);
  assert.deepEqual(await call(stash, 'take', 'k'), { a: 1 });
  assert.equal(await call(stash, 'take', 'k'), undefined);
  assert.equal(await call(stash, 'delete', 'new'), true);
  assert.equal(await call(stash, 'delete', 'new'), false);
});

both('numbers', async (t, stash, call) => {
  assert.equal(await call(stash, 'increment', 'n'), 1);
  assert.equal(await call(stash, 'increment', 'n', -3n), -2);
  assert.equal(await call(stash, 'increment', 'n', 2n ** 60n), 2n ** 60n - 2n);
  await assert.rejects(call(stash, 'increment', 'n', 2n ** 63n - 1n), { code: 'Overflow', number: 6, retry: 'never' });
  assert.equal(await call(stash, 'incrementFloat', 'f', 1.5), 1.5);
  await assert.rejects(call(stash, 'incrementFloat', 'f', NaN), { code: 'InvalidArgument' });
  await call(stash, 'set', 't', 'text');
  await assert.rejects(call(stash, 'increment', 't'), { code: 'TypeMismatch' });
  for (const by of [1.5, '1', 2n ** 63n, null]) await assert.rejects(call(stash, 'increment', 'n', by), { code: 'InvalidArgument' });
});

both('time', async (t, stash, call) => {
  assert.equal(await call(stash, 'ttl', 'k'), undefined);
  await call(stash, 'set', 'k', 1);
  assert.equal(await call(stash, 'ttl', 'k'), null);
  assert.equal(await call(stash, 'expire', 'k', 60_000), true);
  const left = await call(stash, 'ttl', 'k');
  assert.ok(left > 0 && left <= 60_000, String(left));
  await call(stash, 'increment', 'k');
  assert.equal(typeof (await call(stash, 'expiresAt', 'k')), 'bigint');
  assert.equal(await call(stash, 'persist', 'k'), true);
  assert.equal(await call(stash, 'expiresAt', 'k'), null);
  const at = new Date(Date.now() + 100_000);
  await call(stash, 'set', 'k', 1, { expiresAt: at });
  assert.deepEqual((await call(stash, 'entry', 'k')).expiresAt, at);
  await call(stash, 'set', 'k', 2, { keepTtl: true });
  assert.deepEqual((await call(stash, 'entry', 'k')).expiresAt, at);
  await call(stash, 'set', 'gone', 1, { expiresAt: 1 });
  assert.equal(await call(stash, 'get', 'gone'), undefined);
  const wrong = [{ ttl: 0 }, { ttl: -1 }, { ttl: NaN }, { ttl: Infinity }, { ttl: '5' }, { ttl: 1, expiresAt: 1 }, { ttl: 1, keepTtl: true }, { ttl: 2n ** 63n - 1n }, { ifAbsent: true, ifPresent: true }, { ifVersion: 5 }, 5];
  for (const options of wrong) await assert.rejects(call(stash, 'set', 'k', 1, options), { code: 'InvalidArgument' });
});

both('many keys', async (t, stash, call) => {
  const versions = await call(stash, 'setMany', new Map([['a', 1], ['b', { c: 2 }]]), { ttl: 60_000 });
  assert.deepEqual(versions.map((version) => typeof version), ['bigint', 'bigint']);
  assert.ok((await call(stash, 'ttl', 'a')) > 0);
  assert.deepEqual(await call(stash, 'getMany', ['b', 'x', 'a']), [{ c: 2 }, undefined, 1]);
  assert.deepEqual(await call(stash, 'deleteMany', new Set(['a', 'x'])), [true, false]);
  await assert.rejects(call(stash, 'setMany', [['y', 1], ['z', undefined]]), { code: 'InvalidValue' });
  await assert.rejects(call(stash, 'setMany', [['y', 1], [NaN, 1]]), { code: 'InvalidKey' });
  assert.equal(await call(stash, 'exists', 'y'), false);
  assert.deepEqual(await call(stash, 'getMany', []), []);
  assert.deepEqual(await call(stash, 'setMany', []), []);
  await assert.rejects(call(stash, 'getMany', 5), { code: 'InvalidArgument' });
  await assert.rejects(call(stash, 'getMany', Array.from({ length: 10_001 }, (_, i) => i)), { code: 'TooLarge' });
  await assert.rejects(call(stash, 'setMany', Array.from({ length: 10_001 }, (_, i) => [i, i])), { code: 'TooLarge' });
  const outcomes = await call(stash, 'apply', [
    { op: 'increment', key: 'n', by: 5 }, { op: 'get', key: 'b' }, { op: 'increment', key: 'b' }, { op: 'set', key: NaN, value: 1 },
    { op: 'nothing', key: 'b' }, { op: 'exists', key: 'n' }, { op: 'add', key: 'n', value: 1 }, { op: 'get', key: 'n' },
  ]);
  const shown = outcomes.map(({ status, value, reason }) => (status === 'fulfilled' ? value : reason.code));
  assert.deepEqual(shown, [5, { c: 2 }, 'TypeMismatch', 'InvalidKey', 'InvalidArgument', true, undefined, 5]);
});

both('the whole stash', async (t, stash, call) => {
  const place = folder(t);
  await call(stash, 'setMany', Array.from({ length: 300 }, (_, i) => [`k${i}`, { i }]));
  assert.equal(await call(stash, 'len'), 300);
  assert.equal((await call(stash, 'stats')).rows, 300);
  assert.deepEqual((await call(stash, 'verify')).problems, []);
  assert.ok((await call(stash, 'backup', pathToFileURL(join(place, 'backup')))).bytes > 0);
  await assert.rejects(call(stash, 'backup', join(place, 'backup')), { code: 'InvalidArgument' });
  assert.equal((await call(stash, 'export', join(place, 'rows'), { prefix: 'k1' })).rows, 111);
  assert.equal(readFileSync(join(place, 'rows'), 'utf8').split('\n').length, 112);
  await call(stash, 'sync');
  await call(stash, 'clear');
  assert.equal(await call(stash, 'len'), 0);
  writeFileSync(join(place, 'more'), '{"key":"x","value":1}\nnot a row\n');
  const report = await call(stash, 'import', join(place, 'more'));
  assert.deepEqual([report.rows, report.rejectedLines, report.rejected[0].line], [1, 1, 2]);
  assert.equal(typeof (await call(stash, 'compact')).bytesFreed, 'number');
  await call(stash, 'close');
  const repaired = await LiteStash.repair(stash.path, join(place, 'repaired'));
  assert.deepEqual([repaired.rows, repaired.lost], [1, []]);
  await assert.rejects(call(stash, 'get', 'x'), { code: 'Closed' });
  await assert.rejects(call(stash, 'set', 'x', 1), { code: 'Closed' });
  await assert.rejects(call(stash, 'len'), { code: 'Closed' });
  await call(stash, 'close');
});

test('iteration', async (t) => {
  const stash = await opened(t);
  const all = Array.from({ length: 1000 }, (_, i) => [`key:${i}`, { i }]);
  await stash.setMany(all);
  await stash.set(5, 'number');
  const sorted = (rows) => rows.sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = [];
  for await (const row of stash.items({ prefix: 'key:' })) rows.push(row);
  assert.deepEqual(sorted(rows), sorted(all));
  assert.equal([...stash].length, 1001);
  assert.equal([...stash.valuesSync({ prefix: 'key:' })].length, 1000);
  assert.equal([...stash.keysSync({ limit: 7 })].length, 7);
  const keys = [...stash.keysSync()];
  // A cursor taken anywhere goes on from there.
  for (const stop of [0, 1, 255, 256, 257, 1000]) {
    const scan = stash.keysSync();
    for (let i = 0; i < stop; i++) scan.next();
    assert.deepEqual([...stash.keysSync({ cursor: scan.cursor })], keys.slice(stop));
    const background = stash.keys({ cursor: scan.cursor });
    const rest = [];
    for await (const key of background) rest.push(key);
    assert.deepEqual(rest, keys.slice(stop));
  }
  // Calls before the answer take their turn.
  const scan = stash.keys();
  const some = await Promise.all(Array.from({ length: 1003 }, () => scan.next()));
  assert.deepEqual(some.filter(({ done }) => !done).map(({ value }) => value), keys);
  for await (const key of stash.keys()) if (key === keys[3]) break;
  for (const options of [{ limit: -1 }, { limit: 1.5 }, { prefix: 5 }, { cursor: 'x' }, { cursor: 5 }]) {
    assert.throws(() => stash.keysSync(options), { code: 'InvalidArgument' });
  }
  const controller = new AbortController();
  const stopped = stash.items({ signal: controller.signal });
  await stopped.next();
  controller.abort(new Error('enough'));
  await assert.rejects(stopped.next(), (error) => error.code === 'Cancelled' && error.cause.message === 'enough');
});

test('long work can be stopped', async (t) => {
  const stash = await opened(t);
  const place = folder(t);
  await stash.setMany(Array.from({ length: 5000 }, (_, i) => [i, 'x'.repeat(1000)]));
  const aborted = AbortSignal.abort();
  const works = [
    (signal) => stash.verify({ signal }),
    (signal) => stash.backup(join(place, 'copy'), { signal }),
    (signal) => stash.export(join(place, 'rows'), { signal }),
    (signal) => stash.import(join(place, 'lines'), { signal }),
    (signal) => stash.compact({ signal }),
    (signal) => LiteStash.repair(join(place, 'whole'), mkdtempSync(join(place, 'repaired-')), { signal }),
  ];
  for (const work of works) await assert.rejects(work(aborted), { code: 'Cancelled', retry: 'later' });
  await stash.export(join(place, 'lines'));
  await stash.backup(join(place, 'whole'));
  const outcomes = [];
  for (const work of works) {
    const controller = new AbortController();
    const done = work(controller.signal).then(() => 'done', (error) => error.code);
    setImmediate(() => setImmediate(() => controller.abort()));
    outcomes.push(await done);
  }
  // Whatever was faster: nothing else comes out of it, and stopping is noticed by at least one of them.
  for (const outcome of outcomes) assert.ok(outcome === 'done' || outcome === 'Cancelled', outcome);
  assert.ok(outcomes.includes('Cancelled'), String(outcomes));
  assert.equal(await stash.len(), 5000);
});

test('one computation, however many wait', async (t) => {
  const stash = await opened(t);
  let computed = 0;
  const compute = async () => {
    computed++;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return null;
  };
  assert.deepEqual(await Promise.all([1, 1n, 1.0].map((key) => stash.getOrSet(key, compute))), [null, null, null]);
  assert.equal(await stash.getOrSet(1, compute), null);
  assert.equal(computed, 1);
  const cause = new Error('mine');
  const fails = () => Promise.reject(cause);
  const failed = await Promise.allSettled([stash.getOrSet('f', fails), stash.getOrSet('f', fails)]);
  for (const { reason } of failed) assert.ok(reason.code === 'ComputeFailed' && reason.cause === cause);
  assert.throws(() => stash.getOrSetSync('f', () => { throw cause; }), { code: 'ComputeFailed', cause });
  assert.equal(await stash.exists('f'), false);
  assert.equal(stash.getOrSetSync('s', () => 5), 5);
  assert.equal(stash.getOrSetSync('s', () => 6), 5);
  assert.throws(() => stash.getOrSetSync('own', () => stash.getOrSetSync('own', () => 1)), (error) => error.cause.code === 'InvalidArgument');
  await assert.rejects(stash.getOrSet('u', () => undefined), { code: 'InvalidValue' });
  let calls = 0;
  const square = stash.memoize(async function square(n) { calls++; return n < 0 ? null : n * n; }, { ttl: 60_000 });
  assert.deepEqual(await Promise.all([square(3), square(3), square(-1)]), [9, 9, null]);
  assert.deepEqual([await square(3), await square(-1), calls], [9, null, 2]);
  assert.equal(await square.forget(3), true);
  assert.deepEqual([await square(3), calls], [9, 3]);
});

test('opening', async (t) => {
  const place = folder(t);
  await assert.rejects(LiteStash.open(join(place, 'none'), { create: false }), { code: 'NoStash' });
  assert.throws(() => LiteStash.openSync(join(place, 'none'), { readOnly: true }), { code: 'NoStash' });
  for (const path of [5, '', 'a\0b', new URL('http://x/')]) await assert.rejects(LiteStash.open(path), { code: 'InvalidArgument' });
  const wrong = [{ durability: 'most' }, { durability: 5 }, { cacheBytes: -1 }, { cacheBytes: 1.5 }, { busyTimeout: -1 }, { valueBytesMax: 0 }, { create: 'yes' }, 5];
  for (const options of wrong) await assert.rejects(LiteStash.open(join(place, 's'), options), { code: 'InvalidArgument' });
  assert.throws(() => new LiteStash(), { code: 'InvalidArgument' });
  const stash = LiteStash.openSync(pathToFileURL(join(place, 's')), { durability: 'full' });
  assert.deepEqual([stash.path, stash.durability, stash.readOnly, stash.closed], [join(place, 's'), 'full', false, false]);
  await stash.withDurability('relaxed').set('k', 1);
  assert.equal(stash.getSync('k'), 1);
  assert.throws(() => stash.withDurability('most'), { code: 'InvalidArgument' });
  const other = await LiteStash.open(join(place, 's'), { readOnly: true });
  await stash.sync();
  assert.equal(await other.get('k'), 1);
  await assert.rejects(other.set('k', 2), { code: 'ReadOnly' });
  await other[Symbol.asyncDispose]();
  stash[Symbol.dispose]();
  assert.ok(stash.closed && other.closed);
  assert.equal(LiteStash.memory().path, undefined);
});

/** A program with `using`, where this Node knows it. */
function withUsing(body) {
  try {
    return new Function('given', `return (async () => { ${body} })();`);
  } catch {
    return undefined;
  }
}

const using = withUsing(`
  const { LiteStash, directory } = given;
  {
    await using stash = await LiteStash.open(directory);
    stash.set('a', 1);
    given.first = stash;
    await using watch = await stash.watch();
    given.watch = watch;
  }
  {
    using stash = LiteStash.openSync(directory);
    given.second = stash;
    given.value = stash.getSync('a');
  }`);

test('using and await using close what they hold', { skip: using === undefined && 'this Node has no using' }, async (t) => {
  const given = { LiteStash, directory: join(folder(t), 'stash') };
  await using(given);
  assert.deepEqual([given.first.closed, given.watch.ended, given.second.closed, given.value], [true, true, true, 1]);
});

test('the REPL', async (t) => {
  const directory = join(folder(t), 'stash');
  const env = { ...process.env, NODE_REPL_HISTORY: '', NO_COLOR: '1' };
  const repl = spawn(process.execPath, ['--interactive'], { cwd: join(__dirname, '..'), env, stdio: ['pipe', 'pipe', 'inherit'] });
  const done = once(repl, 'exit');
  /** What a line makes the REPL say before it asks for the next, as at a terminal. */
  const said = async (line) => {
    let text = '';
    if (line !== undefined) repl.stdin.write(`${line}\n`);
    for (;;) {
      text += (repl.stdout.read() ?? '').toString();
      if (text.endsWith('> ')) return text.slice(0, -2).trim();
      await once(repl.stdout, 'readable');
    }
  };
  await said();
  await said("const { LiteStash } = require('litestash')");
  await said(`const stash = await LiteStash.open(${JSON.stringify(directory)})`);
  assert.equal(await said('stash'), `LiteStash { path: '${directory}' }`);
  assert.equal(await said("typeof (await stash.set('a', { b: [1n, new Date(0)] }))"), "'bigint'");
  assert.equal(await said("await stash.get('a')"), '{ b: [ 1, 1970-01-01T00:00:00.000Z ] }');
  assert.match(await said('await stash.get(NaN)'), /^Uncaught:?\s+LiteStashError[^]*code: 'InvalidKey'/);
  assert.equal(await said("(await stash.set('last', 1)) > 0n"), 'true');
  repl.stdin.end('.exit\n');
  assert.deepEqual(await done, [0, null]);
  const stash = await LiteStash.open(directory);
  assert.equal(await stash.get('last'), 1);
  await stash.close();
});

test('what is called first is done first, for each key', async (t) => {
  const stash = await opened(t);
  const done = [];
  for (let round = 0; round < 50; round++) {
    for (const key of ['a', 'b', 3]) {
      done.push(stash.set(key, round));
      done.push(stash.get(key).then((value) => assert.equal(value, round)));
      done.push(stash.exists(key).then((there) => assert.equal(there, true)));
      if (round % 7 === 0) done.push(stash.deleteMany([key]), stash.getMany([key]).then((values) => assert.deepEqual(values, [undefined])));
    }
  }
  done.push(stash.len().then((rows) => assert.ok(rows <= 3)));
  const wrong = stash.increment('a', 1n).then(() => stash.set('a', undefined));
  await assert.rejects(wrong, { code: 'InvalidValue' });
  await Promise.all(done);
  assert.ok(LiteStashError.prototype instanceof Error);
});

test('many promises at once are a few commits', async (t) => {
  const stash = await opened(t);
  await stash.set('warm', 1);
  const before = await stash.stats();
  await Promise.all(Array.from({ length: 1000 }, (_, i) => stash.set(`k${i}`, i)));
  const after = await stash.stats();
  // A commit of its own writes at least a leaf of the table and one of its index to the log.
  const frames = (after.shards.reduce((sum, { walBytes }) => sum + walBytes, 0) - (before.shards[0]?.walBytes ?? 0)) / 4096;
  assert.ok(frames < 1000, `${frames} pages were written for 1000 sets`);
  assert.equal(after.rows, 1001);
});
