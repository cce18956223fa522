'use strict';

const { LiteStash } = require('../lib/stash.js');
require('../lib/methods.js');

/** Keys that are deleted in one go. */
const BATCH = 1000;

/** The stash that was given, or the one in the directory that was given. */
function stashOf(given) {
  if (given instanceof LiteStash) return given;
  return LiteStash.openSync(given);
}

/** Deletes all keys that begin with `prefix`. */
async function clear(stash, prefix) {
  if (prefix === '') return stash.clear();
  let keys = [];
  for await (const key of stash.keys({ prefix })) {
    keys.push(key);
    if (keys.length < BATCH) continue;
    await stash.deleteMany(keys);
    keys = [];
  }
  await stash.deleteMany(keys);
}

/** Calls back with what a promise comes to, on the event loop and not inside the promise. */
function answer(promise, callback = () => {}) {
  promise.then(
    (value) => process.nextTick(callback, null, value),
    (error) => process.nextTick(callback, error),
  );
}

module.exports = { stashOf, clear, answer };
