'use strict';

/*
 * How long the promise API keeps the event loop: `node bench/loop.js`, prepared as for `node bench`. Another process holds
 * the write lock of every shard for a second, again and again, while every operation is asked for turn by turn. Said are
 * the longest that each call took before it answered with its promise, and the longest turns of the loop: without a stash,
 * with one that nobody else uses, and with the locks held. On Linux the time is left out in which the thread could run and
 * others had the processor.
 */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { existsSync, mkdtempSync, openSync, readSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { LiteStash } = require('..');

const KEYS = 2_000;
const ROUNDS = 5;
const HELD_MS = 1000;
const LIMIT_MS = 2;

/** Holds every lock for a while, each time that it is told to. */
function holdLocks(directory, ms) {
  const Database = require('better-sqlite3');
  const { readdirSync } = require('node:fs');
  const files = readdirSync(directory).filter((name) => name.endsWith('.db'));
  const databases = files.map((name) => new Database(`${directory}/${name}`, { timeout: 10_000 }));
  process.stdin.on('data', () => {
    for (const database of databases) database.exec('BEGIN IMMEDIATE');
    console.log('held');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    for (const database of databases) database.exec('ROLLBACK');
    console.log('let go');
  });
  console.log('ready');
}

const key = (i) => `user:${i % KEYS}`;

/** Operations that are asked for, one a turn. */
const operations = {
  get: (stash, i) => stash.get(key(i)),
  'get of a row in no cache': ({ cold }, i) => cold.get(key(i)),
  exists: (stash, i) => stash.exists(key(i)),
  entry: (stash, i) => stash.entry(key(i)),
  set: (stash, i) => stash.set(key(i), { i }),
  delete: (stash, i) => stash.delete(`gone:${i}`),
  take: (stash, i) => stash.take(`gone:${i}`),
  increment: (stash) => stash.increment('n'),
  compareAndSet: (stash, i) => stash.compareAndSet(key(i), 5, 6),
  expire: (stash, i) => stash.expire(key(i), 600_000),
  touch: (stash, i) => stash.touch(key(i)),
  ttl: (stash, i) => stash.ttl(key(i)),
  getMany: (stash, i) => stash.getMany([key(i), key(i + 1), key(i + 2)]),
  setMany: (stash, i) => stash.setMany([[key(i), 1], [key(i + 1), 2]]),
  deleteMany: (stash, i) => stash.deleteMany([`gone:${i}`, 'gone']),
  apply: (stash, i) => stash.apply([{ op: 'get', key: key(i) }, { op: 'increment', key: 'n' }]),
  transaction: (stash, i) => stash.transaction([{ op: 'increment', key: 'a' }, { op: 'set', key: key(i), value: i }]),
  getOrSet: (stash, i) => stash.getOrSet(`computed:${i % 50}`, () => i, { ttl: 60_000 }),
  'keys, a page': async (stash) => (await stash.keys().next()).value,
  'bucket.set': (stash, i) => stash.bucket('b').set(key(i), i),
  len: (stash) => stash.len(),
  stats: (stash) => stash.stats(),
  sync: (stash) => stash.sync(),
};
/** Those that walk over tables are asked for less often. */
const SELDOM = new Set(['keys, a page', 'len', 'stats', 'sync', 'getOrSet']);

/** Milliseconds that the thread of JavaScript waited for a processor, where the system tells. */
const delays = existsSync('/proc/self/schedstat') ? openSync('/proc/self/schedstat') : undefined;
const read = Buffer.alloc(100);
function delay() {
  if (delays === undefined) return 0;
  const length = readSync(delays, read, 0, read.length, 0);
  return Number(read.latin1Slice(0, length).split(' ')[1]) / 1e6;
}

const now = () => performance.now() - delay();

/** The longest turns of the loop while `until` is not there, and what `turn` does in each. */
async function turns(until, turn) {
  let isOver = false;
  until.then(() => (isOver = true));
  const longest = [];
  let last = now();
  for (let i = 0; !isOver; i++) {
    turn?.(i);
    await new Promise((resolve) => setImmediate(resolve));
    const took = now() - last;
    last += took;
    if (took > LIMIT_MS / 4) longest.push(took);
  }
  return longest.sort((a, b) => b - a);
}

async function main(directory) {
  const stash = await LiteStash.open(join(directory, 'stash'));
  for (let i = 0; i < KEYS; i += 500) await stash.setMany(Array.from({ length: 500 }, (_, j) => [key(i + j), { i }]));
  await stash.bucket('b').set('x', 1);
  stash.cold = await LiteStash.open(stash.path, { cacheBytes: 0 });
  const holder = spawn(process.execPath, ['--eval', `(${holdLocks})(${JSON.stringify(stash.path)}, ${HELD_MS})`], {
    cwd: __dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = (async function* () {
    for await (const chunk of holder.stdout) yield* String(chunk).trim().split('\n');
  })();
  const said = async (wanted) => {
    const { value } = await lines.next();
    if (value !== wanted) throw new Error(`the other process says ${value}, not ${wanted}`);
  };
  await said('ready');

  const calls = Object.fromEntries(Object.keys(operations).map((name) => [name, []]));
  const names = Object.keys(operations);
  let pending = [];
  const ask = (i) => {
    const name = names[i % names.length];
    if (SELDOM.has(name) && Math.floor(i / names.length) % 50 !== 0) return;
    const started = now();
    const promise = operations[name](stash, i);
    calls[name].push(now() - started);
    pending.push(promise);
  };
  const gaps = { 'no stash': [], 'nobody holds a lock': [], 'locks are held': [] };
  // Once, so that what is compiled late is compiled.
  await turns(sleep(HELD_MS), ask);
  await Promise.all(pending);
  for (const name of names) calls[name] = [];
  for (let round = 0; round < ROUNDS; round++) {
    gaps['no stash'].push(...(await turns(sleep(HELD_MS))));
    pending = [];
    gaps['nobody holds a lock'].push(...(await turns(sleep(HELD_MS), ask)));
    await Promise.all(pending);
    pending = [];
    holder.stdin.write('hold');
    await said('held');
    gaps['locks are held'].push(...(await turns(said('let go'), ask)));
    await Promise.all(pending);
  }
  holder.stdin.end();
  await once(holder, 'close');
  await stash.cold.close();
  await stash.close();

  console.log('the longest call of each, ms:');
  for (const [name, took] of Object.entries(calls)) {
    console.log(`  ${name.padEnd(26)} ${Math.max(...took).toFixed(2).padStart(6)}   (${took.length} calls)`);
  }
  console.log(`turns of the loop in ${ROUNDS} s each:`);
  for (const [name, took] of Object.entries(gaps)) {
    const sorted = took.sort((a, b) => b - a);
    const over = sorted.filter((ms) => ms > LIMIT_MS).length;
    const shown = sorted.slice(0, 5).map((ms) => ms.toFixed(2)).join(', ');
    console.log(`  ${name.padEnd(26)} longest ${shown || `under ${LIMIT_MS / 4}`} ms; ${over} over ${LIMIT_MS} ms`);
  }
}

const directory = mkdtempSync(join(tmpdir(), 'litestash-loop-'));
main(directory).finally(() => rmSync(directory, { recursive: true, force: true }));
