'use strict';

const { clear, stashOf } = require('./common.js');

/** What unstorage calls the kinds of events. A `clear` has no key to tell of. */
const EVENTS = { set: 'update', delete: 'remove', expire: 'remove', evict: 'remove' };

/** A driver for unstorage. `ttl`, in seconds, is that of every item that is set without its own. */
function litestashDriver(options) {
  const { stash: given, directory, prefix = '', ttl } = options;
  const stash = stashOf(given ?? directory);
  const keyOf = (key) => prefix + key;
  const msOf = (own) => {
    const seconds = own?.ttl ?? ttl;
    return seconds === undefined ? undefined : seconds * 1000;
  };
  const set = async (key, value, own) => {
    await stash.set(keyOf(key), value, { ttl: msOf(own) });
  };
  const get = async (key) => (await stash.get(keyOf(key))) ?? null;
  return {
    name: 'litestash',
    options,
    flags: { ttl: true },
    getInstance: () => stash,
    hasItem: (key) => stash.exists(keyOf(key)),
    getItem: get,
    getItems: async (items) => {
      const values = await stash.getMany(items.map(({ key }) => keyOf(key)));
      return items.map(({ key }, i) => ({ key, value: values[i] ?? null }));
    },
    getItemRaw: get,
    setItem: set,
    setItemRaw: set,
    removeItem: async (key) => {
      await stash.delete(keyOf(key));
    },
    getKeys: async (base) => {
      const keys = [];
      for await (const key of stash.keys({ prefix: keyOf(base ?? '') })) keys.push(key.slice(prefix.length));
      return keys;
    },
    getMeta: async (key) => {
      const entry = await stash.entry(keyOf(key));
      if (entry === undefined) return null;
      const { version, expiresAt, size } = entry;
      const left = expiresAt === null ? undefined : Math.max(0, (expiresAt.getTime() - Date.now()) / 1000);
      return { mtime: new Date(Number(version / 1000n)), size, ...(left !== undefined && { ttl: left }) };
    },
    clear: (base) => clear(stash, keyOf(base ?? '')),
    dispose: () => stash.close(),
    watch: async (callback) => {
      const watch = await stash.watch({ prefix, kinds: Object.keys(EVENTS), allProcesses: true });
      watch.on('change', ({ kind, key }) => {
        callback(EVENTS[kind], key.slice(prefix.length));
      });
      return () => watch.close();
    },
  };
}

module.exports = { litestashDriver };
