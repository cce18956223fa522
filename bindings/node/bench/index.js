'use strict';

/*
 * Ratios against other stores, all in one run, on 120-byte objects: `node bench`, after `npm ci` in bench and a release
 * build of the package (`npm run build`). Rounds are interleaved, and the best of each store counts.
 */

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { LiteStash } = require('..');

const KEYS = 2_000;
const ROUNDS = 20;
const HOT_READS = 20_000;
const WRITES = 4_000;
const CONCURRENT = 5_000;

const keys = Array.from({ length: KEYS }, (_, i) => `user:${i}`);
const object = (i) => ({
  id: 100_000 + i,
  name: 'Ada Lovelace',
  email: `ada.${100_000 + i}@example.com`,
  active: i % 2 === 0,
  score: i + 0.5,
  tags: ['a', 'b', 'c'],
});

const directory = mkdtempSync(join(tmpdir(), 'litestash-bench-'));

/** The stores. `sync` is what one call costs, `concurrent` what each of many at once does. */
async function stores() {
  const stash = await LiteStash.open(join(directory, 'stash'));
  const { default: Database } = { default: require('better-sqlite3') };
  const database = new Database(join(directory, 'better.db'));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = NORMAL');
  database.exec('CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID');
  const select = database.prepare('SELECT value FROM kv WHERE key = ?').pluck();
  const upsert = database.prepare('INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value');
  const lmdb = require('lmdb').open({ path: join(directory, 'lmdb') });
  const { default: Keyv } = await import('keyv');
  const { default: KeyvSqlite } = await import('@keyv/sqlite');
  const keyv = new Keyv({ store: new KeyvSqlite(`sqlite://${join(directory, 'keyv.sqlite')}`) });
  return {
    litestash: {
      getSync: (key) => stash.getSync(key),
      setSync: (key, value) => stash.setSync(key, value),
      get: (key) => stash.get(key),
      set: (key, value) => stash.set(key, value),
      close: () => stash.close(),
    },
    'better-sqlite3': {
      getSync: (key) => JSON.parse(select.get(key)),
      setSync: (key, value) => upsert.run(key, JSON.stringify(value)),
      close: () => database.close(),
    },
    lmdb: {
      getSync: (key) => lmdb.get(key),
      set: (key, value) => lmdb.put(key, value),
      close: () => lmdb.close(),
    },
    'keyv-sqlite': {
      get: (key) => keyv.get(key),
      set: (key, value) => keyv.set(key, value),
      close: () => keyv.disconnect(),
    },
  };
}

const now = () => Number(process.hrtime.bigint()) / 1000;

async function microseconds(count, work) {
  const started = now();
  await work(count);
  return (now() - started) / count;
}

const TASKS = {
  getSync: (store) => {
    // What was written in between is in memory again.
    for (const key of keys) store.getSync(key);
    return microseconds(HOT_READS, (count) => {
      for (let i = 0; i < count; i++) store.getSync(keys[i % KEYS]);
    });
  },
  setSync: (store, round) => microseconds(WRITES, (count) => {
    for (let i = 0; i < count; i++) store.setSync(keys[i % KEYS], object(i + round));
  }),
  get: (store) => microseconds(KEYS, async (count) => {
    for (let i = 0; i < count; i++) await store.get(keys[i % KEYS]);
  }),
  set: (store, round) => microseconds(CONCURRENT, (count) => {
    const promises = [];
    for (let i = 0; i < count; i++) promises.push(store.set(keys[i % KEYS], object(i + round)));
    return Promise.all(promises);
  }),
};

async function main() {
  const all = await stores();
  for (const store of Object.values(all)) {
    for (let i = 0; i < KEYS; i++) await (store.setSync ?? store.set)(keys[i], object(i));
  }
  const best = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [task, run] of Object.entries(TASKS)) {
      for (const [name, store] of Object.entries(all)) {
        if (store[task] === undefined || (name === 'keyv-sqlite' && round > 1)) continue;
        const took = await run(store, round);
        const known = (best[task] ??= {})[name];
        if (known === undefined || took < known) best[task][name] = took;
      }
    }
  }
  for (const [task, figures] of Object.entries(best)) {
    const own = figures.litestash;
    for (const [name, took] of Object.entries(figures)) {
      console.log(`${task.padEnd(8)} ${name.padEnd(15)} ${took.toFixed(2).padStart(9)} us   ${(own / took).toFixed(3)}`);
    }
  }
  for (const store of Object.values(all)) await store.close();
}

main().finally(() => rmSync(directory, { recursive: true, force: true }));
