'use strict';

/* The methods that are one line each, in their two forms: by promise, and `…Sync`. */

const request = require('./request.js');
const { LiteStash, all, each } = require('./stash.js');
const { invalid } = require('./errors.js');
const { keyBytes, passphraseText, pathOf } = require('./task.js');

function define(name, method) {
  Object.defineProperty(method, 'name', { value: name });
  Object.defineProperty(LiteStash.prototype, name, { value: method, writable: true, configurable: true });
}

const READS = { exists: request.EXISTS, entry: request.ENTRY, expiresAt: request.EXPIRES_AT };
for (const [name, opcode] of Object.entries(READS)) {
  define(name, function (key) {
    return this._read(request.writeBare, opcode, key);
  });
  define(`${name}Sync`, function (key) {
    return this._sync(request.writeBare, opcode, key);
  });
}

define('check', function (key, condition) {
  return this._read(request.writeCheck, key, condition);
});
define('checkSync', function (key, condition) {
  return this._sync(request.writeCheck, key, condition);
});

/** Operations that change one key: how each is written, from its arguments. */
const WRITES = {
  delete: (writer, key) => request.writeBare(writer, request.DELETE, key),
  take: (writer, key) => request.writeBare(writer, request.TAKE, key),
  persist: (writer, key) => request.writeBare(writer, request.PERSIST, key),
  touch: (writer, key) => request.writeBare(writer, request.TOUCH, key),
  expire: request.writeExpire,
  increment: (writer, key, by = 1) => request.writeIncrement(writer, key, by),
  incrementFloat: request.writeIncrementFloat,
  compareAndSet: request.writeCompareAndSet,
};
for (const [name, write] of Object.entries(WRITES)) {
  define(name, function (key, b, c) {
    return this._write(write, key, b, c);
  });
  define(`${name}Sync`, function (key, b, c) {
    return this._sync(write, key, b, c);
  });
}

const writeGet = (writer, key) => request.writeBare(writer, request.GET, key);
const writeDelete = (writer, key) => request.writeBare(writer, request.DELETE, key);
const writeItem = (options) => (writer, [key, value]) => request.writeSet(writer, key, value, options);

const { MANY, TRANSACTION } = request;

/** Operations on many keys: whether all are refused for one, how one is written, whether they only read, the result. */
const SEVERAL = {
  getMany: () => [MANY, true, writeGet, true, all],
  setMany: (options) => [MANY, true, writeItem(options), false, all],
  deleteMany: () => [MANY, true, writeDelete, false, all],
  apply: () => [MANY, false, request.writeOperation, false, each],
  transaction: () => [TRANSACTION, true, request.writeOperation, false, (outcome) => outcome],
};
for (const [name, plan] of Object.entries(SEVERAL)) {
  define(name, async function (items, options) {
    return this._many(items, ...plan(options));
  });
  define(`${name}Sync`, function (items, options) {
    return this._manySync(items, ...plan(options));
  });
}

function nameOf(bucket) {
  if (typeof bucket !== 'string' || !bucket.isWellFormed()) throw invalid('the name of a bucket is a string of valid Unicode');
  return bucket;
}

/** Work on the whole stash: the task's members, from the arguments. */
const TASKS = {
  len: () => ({}),
  clear: () => ({}),
  sync: () => ({}),
  stats: () => ({}),
  compact: (options) => options,
  close: () => ({}),
  isEmpty: () => ({ name: 'is_empty' }),
  sweep: () => ({}),
  expireOlderThan: (age, options) => ({ ...options, name: 'expire_older_than', micros: request.micros(age, 'the age') }),
  rotateKey: (options) => ({ ...options, name: 'rotate_key' }),
  changeKey: (key) => ({ name: 'change_key', encryptionKey: keyBytes(key) }),
  changePassphrase: (passphrase) => ({ name: 'change_passphrase', passphrase: passphraseText(passphrase) }),
  buckets: () => ({}),
  dropBucket: (bucket) => ({ name: 'drop_bucket', bucket: nameOf(bucket) }),
  _logChanges: (time) => ({ name: 'log_changes', micros: request.micros(time, 'the time') }),
  verify: (options) => options,
  backup: (path, options) => ({ ...options, path: pathOf(path, 'the destination') }),
  export: (path, options) => ({ ...options, path: pathOf(path, 'the file') }),
  import: (path, options) => ({ ...options, path: pathOf(path, 'the file') }),
};
for (const [name, members] of Object.entries(TASKS)) {
  define(name, async function (a, b) {
    return this._task(name, members(a, b));
  });
  define(`${name}Sync`, function (a, b) {
    return this._taskSync(name, members(a, b));
  });
}

const SCANS = { keys: 'key', values: 'value', items: 'item' };
for (const [name, pick] of Object.entries(SCANS)) {
  define(name, function (options) {
    return this._scan(pick, options);
  });
  define(`${name}Sync`, function (options) {
    return this._scanSync(pick, options);
  });
}
