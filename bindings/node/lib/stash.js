'use strict';

const native = require('./native.js');
const { perform } = native;
const { ASK, read } = require('./answer.js');
const { decode } = require('./decode.js');
const { LiteStashError, invalid, translated } = require('./errors.js');
const { Flights } = require('./flights.js');
const { ask, mailbox } = require('./mailbox.js');
const { memoize } = require('./memoize.js');
const { Ledger, Outbox } = require('./outbox.js');
const request = require('./request.js');
const { AsyncScan, SyncScan } = require('./scan.js');
const { keyBytes, passphraseText, pathOf, runTask, startTask } = require('./task.js');
const { Watch, waitFor, waitForSync } = require('./watch.js');
const { acquire, release } = require('./writer.js');

const PRIVATE = Symbol('private');
/** The place of what writes no key. */
const NONE = -1;

const isWritten = (version) => version !== undefined;

function openOptions(given) {
  if (typeof given !== 'object' || given === null) throw invalid('the options are an object');
  const { wrapFloats = false, ...options } = given;
  if (options.clock !== undefined) options.clock = String(options.clock);
  if (options.defaultTtl !== undefined) options.defaultTtl = request.micros(options.defaultTtl, 'defaultTtl');
  checkLimits(options);
  if (options.encryptionKey !== undefined) options.encryptionKey = keyBytes(options.encryptionKey);
  if (options.passphrase !== undefined) options.passphrase = passphraseText(options.passphrase);
  options.compression = compressionOf(options.compression);
  return { wrapFloats, options };
}

/** Node-API takes everything for an object. */
function checkLimits({ limits }) {
  if (limits !== undefined && (typeof limits !== 'object' || limits === null)) throw invalid('limits is an object');
}

/** True stands for the defaults, false for none. */
function compressionOf(given = false) {
  if (typeof given === 'boolean') return given ? {} : undefined;
  if (typeof given !== 'object' || given === null) throw invalid('compression is true, or its options');
  const { level } = given;
  // Node-API makes an integer of every number.
  if (level !== undefined && !Number.isInteger(level)) throw invalid('the level of compression is 1 to 19');
  return given;
}

/** What is given of a bucket; a `defaultTtl` of null is that of none. */
function bucketOptions(given) {
  if (given === undefined) return undefined;
  if (typeof given !== 'object' || given === null) throw invalid('the options are an object');
  const { defaultTtl, ...options } = given;
  checkLimits(options);
  if (defaultTtl === null) return { ...options, stays: true };
  if (defaultTtl === undefined) return options;
  return { ...options, defaultTtl: request.micros(defaultTtl, 'defaultTtl') };
}

let stashesInMemory = 0;

/** What handles of one stash and its buckets share. */
class Family {
  ledger = new Ledger();
  /** Handles of buckets, by durability and name: whoever asks for one again gets the same, so that order by key is kept. */
  #buckets = new Map();

  constructor(handle, wrapFloats) {
    this.wrapFloats = wrapFloats;
    this.name = native.facts(handle).path ?? `in memory ${stashesInMemory++}`;
  }

  bucket(durability, name) {
    const known = this.#buckets.get(`${durability} ${name}`)?.deref();
    return known === undefined || known.closed ? undefined : known;
  }

  remember(bucket) {
    this.#buckets.set(`${bucket.durability} ${bucket.bucketName}`, new WeakRef(bucket));
    return bucket;
  }
}

/** An embedded key-value store. See `index.d.ts`. */
class LiteStash {
  #handle;
  #family;
  #bucket;
  #wrapFloats;
  #outbox;
  #flights;

  constructor(secret, handle, family, bucket) {
    if (secret !== PRIVATE) throw invalid('a stash is opened with LiteStash.open, openSync or memory');
    this.#handle = handle;
    this.#family = family;
    this.#bucket = bucket;
    this.#wrapFloats = family.wrapFloats;
    this.#outbox = new Outbox(this, handle, family);
    this.#flights = new Flights(this, handle, family.wrapFloats, `${family.name}\0${bucket ?? ''}`);
  }

  static async open(directory, given = {}) {
    const path = pathOf(directory, 'the directory');
    const { wrapFloats, options } = openOptions(given);
    const handle = await ask(
      (id) => native.startOpening(mailbox(), id, path, options),
      (_, id) => native.takeOpened(mailbox(), id),
    );
    return new LiteStash(PRIVATE, handle, new Family(handle, wrapFloats));
  }

  static openSync(directory, given = {}) {
    return LiteStash.#opened(pathOf(directory, 'the directory'), given);
  }

  static memory(given = {}) {
    return LiteStash.#opened(undefined, given);
  }

  static #opened(path, given) {
    const { wrapFloats, options } = openOptions(given);
    try {
      const handle = native.openStash(path, options);
      return new LiteStash(PRIVATE, handle, new Family(handle, wrapFloats));
    } catch (error) {
      throw translated(error);
    }
  }

  static async repair(source, destination, options) {
    return startTask(undefined, repairTask(source, destination, options), options?.signal);
  }

  static repairSync(source, destination, options) {
    return runTask(undefined, repairTask(source, destination, options));
  }

  withDurability(level) {
    if (typeof level !== 'string') throw invalid("durability is 'normal', 'full' or 'relaxed'");
    try {
      return new LiteStash(PRIVATE, native.withDurability(this.#handle, level), this.#family, this.#bucket);
    } catch (error) {
      throw translated(error);
    }
  }

  bucket(name, options) {
    if (typeof name !== 'string' || !name.isWellFormed()) throw invalid('the name of a bucket is a string of valid Unicode');
    const given = bucketOptions(options);
    const family = this.#family;
    const known = given === undefined && this.#bucket === undefined ? family.bucket(this.durability, name) : undefined;
    if (known !== undefined) return known;
    try {
      const handle = native.openBucket(this.#handle, name, given);
      const same = family.bucket(native.facts(handle).durability, name);
      return same ?? family.remember(new LiteStash(PRIVATE, handle, family, name));
    } catch (error) {
      throw translated(error);
    }
  }

  get encrypted() {
    return native.facts(this.#handle).encrypted;
  }

  get bucketName() {
    return this.#bucket;
  }

  get expiryStats() {
    return this._taskSync('expiry_stats');
  }

  watch(options) {
    return Watch.begin(this.#handle, options);
  }

  watchSync(options) {
    return Watch.beginSync(this.#handle, options);
  }

  waitFor(key, holds, options) {
    return waitFor(this, key, holds, options);
  }

  waitForSync(key, holds, options) {
    return waitForSync(this, key, holds, options);
  }

  get path() {
    return native.facts(this.#handle).path;
  }

  get durability() {
    return native.facts(this.#handle).durability;
  }

  get readOnly() {
    return native.facts(this.#handle).readOnly;
  }

  get closed() {
    return native.facts(this.#handle).closed;
  }

  /** Does what was written into `writer`, here. */
  #perform(writer) {
    const size = perform(this.#handle, writer.bytes, writer.at);
    if (size >= 0) return read(writer.bytes, 0, size, this.#wrapFloats);
    const bytes = native.takeLarge();
    return read(bytes, 0, bytes.length, this.#wrapFloats);
  }

  /** Writes a request and does it here; `write` is one of `lib/request.js`. */
  _sync(write, a, b, c, d) {
    const writer = acquire();
    try {
      write(writer, a, b, c, d);
      const answer = this.#perform(writer);
      if (answer instanceof LiteStashError) throw answer;
      return answer;
    } catch (error) {
      throw translated(error);
    } finally {
      release(writer);
    }
  }

  /** Writes a request that changes a key, to be done in the background. No `async`: a promise more is a third of the cost. */
  _write(write, a, b, c, d) {
    const writer = acquire();
    try {
      const place = write(writer, a, b, c, d);
      return this.#outbox.add(writer, place, true);
    } catch (error) {
      return Promise.reject(error);
    } finally {
      release(writer);
    }
  }

  /** Writes a request that only reads a key, to be done in the background. */
  _read(write, a, b) {
    const writer = acquire();
    try {
      const place = write(writer, a, b);
      return this.#outbox.add(writer, NONE, this.#outbox.isWriting(place));
    } catch (error) {
      return Promise.reject(error);
    } finally {
      release(writer);
    }
  }

  async get(key) {
    const writer = acquire();
    try {
      const place = request.writeBare(writer, request.PEEK, key);
      const { at } = writer;
      const isWriting = this.#outbox.isWriting(place);
      if (!isWriting) {
        const found = this.#perform(writer);
        if (found !== ASK) return found;
        // The answer took the place of the request's first byte, and of nothing else.
        writer.at = at;
      }
      writer.bytes[0] = request.GET;
      return this.#outbox.add(writer, NONE, isWriting);
    } catch (error) {
      throw translated(error);
    } finally {
      release(writer);
    }
  }

  getSync(key) {
    const writer = acquire();
    try {
      request.writeBare(writer, request.GET, key);
      const size = perform(this.#handle, writer.bytes, writer.at);
      if (size === 1) return undefined;
      if (size > 1) return decode(writer.bytes, 1, this.#wrapFloats);
      return decode(native.takeLarge(), 1, this.#wrapFloats);
    } catch (error) {
      throw translated(error);
    } finally {
      release(writer);
    }
  }

  set(key, value, options) {
    return this._write(request.writeSet, key, value, options);
  }

  setSync(key, value, options) {
    return this._sync(request.writeSet, key, value, options);
  }

  async add(key, value, options) {
    return isWritten(await this.set(key, value, { ...options, ifAbsent: true }));
  }

  addSync(key, value, options) {
    return isWritten(this.setSync(key, value, { ...options, ifAbsent: true }));
  }

  async replace(key, value, options) {
    return isWritten(await this.set(key, value, { ...options, ifPresent: true }));
  }

  replaceSync(key, value, options) {
    return isWritten(this.setSync(key, value, { ...options, ifPresent: true }));
  }

  async ttl(key) {
    return left(await this.expiresAt(key));
  }

  ttlSync(key) {
    return left(this.expiresAtSync(key));
  }

  getOrSet(key, compute, options) {
    return this.#flights.join(key, compute, options);
  }

  getOrSetSync(key, compute, options) {
    return this.#flights.joinSync(key, compute, options);
  }

  memoize(fn, options) {
    return memoize(this, fn, options);
  }

  /** Many operations: `write` writes one of `items`. */
  #writeMany(items, opcode, whole, write, then) {
    if (typeof items?.[Symbol.iterator] !== 'function') throw invalid('the keys, items or operations are iterable');
    const writer = acquire();
    try {
      const { places, refused } = request.writeMany(writer, opcode, items, whole, write);
      return then(writer, places, refused);
    } catch (error) {
      throw translated(error);
    } finally {
      release(writer);
    }
  }

  async _many(items, opcode, whole, write, reads, take) {
    return this.#writeMany(items, opcode, whole, write, (writer, places, refused) => {
      const isWriting = places.some((place) => this.#outbox.isWriting(place));
      const finish = (answers) => take(merged(answers, refused));
      return this.#outbox.add(writer, reads ? NONE : places, !reads || isWriting, finish);
    });
  }

  _manySync(items, opcode, whole, write, _, take) {
    return this.#writeMany(items, opcode, whole, write, (writer, places, refused) => {
      const answers = this.#perform(writer);
      if (answers instanceof LiteStashError) throw answers;
      return take(merged(answers, refused));
    });
  }

  /** A task in the background, after everything that was asked for before. */
  _task(name, given) {
    const { signal, ...task } = given ?? {};
    const ready = this.#outbox.settled();
    return startTask(this.#handle, { name, ...task }, signal, ready);
  }

  _taskSync(name, given) {
    const { signal, ...task } = given ?? {};
    return runTask(this.#handle, { name, ...task });
  }

  _scan(pick, options = {}) {
    return new AsyncScan(this.#handle, pick, options, this.#wrapFloats, this.#outbox.settled());
  }

  _scanSync(pick, options = {}) {
    return new SyncScan(this.#handle, pick, options, this.#wrapFloats);
  }

  [Symbol.asyncIterator]() {
    return this._scan('item');
  }

  [Symbol.iterator]() {
    return this._scanSync('item');
  }

  [Symbol.asyncDispose]() {
    return this.close();
  }

  [Symbol.dispose]() {
    this.closeSync();
  }

  /** Moves the fixed clock that tests open a stash with; in a build for tests only. */
  _advanceClock(us) {
    native.advanceClock(this.#handle, String(us));
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    const { path, closed, bucketName } = this;
    const place = path === undefined ? 'in memory' : `path: '${path}'`;
    const bucket = bucketName === undefined ? '' : `, bucket: '${bucketName}'`;
    return `LiteStash { ${place}${bucket}${closed ? ', closed' : ''} }`;
  }
}

function repairTask(source, destination, { encryptionKey, passphrase } = {}) {
  return {
    name: 'repair',
    path: pathOf(source, 'the source'),
    destination: pathOf(destination, 'the destination'),
    encryptionKey: encryptionKey === undefined ? undefined : keyBytes(encryptionKey),
    passphrase: passphrase === undefined ? undefined : passphraseText(passphrase),
  };
}

/** Whole milliseconds from now to a deadline in microseconds. */
function left(deadline) {
  if (typeof deadline !== 'bigint') return deadline;
  return Math.max(0, Number(deadline / 1000n) - Date.now());
}

/** The answers in the order of what was asked, with what was refused before it was asked. */
function merged(answers, refused) {
  if (refused.size === 0) return answers;
  const rest = answers[Symbol.iterator]();
  const count = answers.length + refused.size;
  return Array.from({ length: count }, (_, index) => refused.get(index) ?? rest.next().value);
}

/** All of them, or the first error. */
function all(answers) {
  const error = answers.find((answer) => answer instanceof LiteStashError);
  if (error !== undefined) throw error;
  return answers;
}

/** Each by itself, in the form of `Promise.allSettled`. */
function each(answers) {
  const settled = (answer) =>
    answer instanceof Error ? { status: 'rejected', reason: answer } : { status: 'fulfilled', value: answer };
  return answers.map(settled);
}

module.exports = { LiteStash, all, each };
