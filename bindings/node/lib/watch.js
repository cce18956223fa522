'use strict';

const { EventEmitter } = require('node:events');
const timers = require('node:timers');
const { types } = require('node:util');
const native = require('./native.js');
const { EVENT, readKey } = require('./answer.js');
const { fail, invalid, translated } = require('./errors.js');
const { ask, hold, listen, mailbox, release } = require('./mailbox.js');
const request = require('./request.js');
const { acquire, release: giveBack } = require('./writer.js');

const KINDS = native.eventKinds();

/** What listens to everything. */
const CHANGE = 'change';

/** Events that JavaScript has dealt with before the native part is told. */
const TOLD_AT_ONCE = 128;

/** Milliseconds between two looks at a key that another process may write. */
const WAIT_PAUSE = 5;

const PRIVATE = Symbol('private');

/** What a native function takes. */
function watchOptions(given = {}) {
  if (typeof given !== 'object' || given === null) throw invalid('the options are an object');
  const { kinds, key, prefix, allProcesses, capacity, signal } = given;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal is an AbortSignal');
  if (prefix !== undefined && (typeof prefix !== 'string' || !prefix.isWellFormed())) {
    throw invalid('prefix is a string of valid Unicode');
  }
  const options = { kinds: kinds === undefined ? undefined : [...kinds], prefix, allProcesses, capacity };
  if (key !== undefined) {
    const writer = acquire();
    try {
      request.writeKey(writer, key);
      options.key = Buffer.from(writer.bytes.subarray(0, writer.at));
    } finally {
      giveBack(writer);
    }
  }
  return { options, signal };
}

const cancelled = (signal) => fail('Cancelled', 'the events are not waited for any more', { cause: signal.reason });

/** What happens to keys, as events of an emitter or by iteration. See `index.d.ts`. */
class Watch extends EventEmitter {
  #native;
  #signal;
  #abort = () => this.close();
  /** Events for which nobody was there yet. */
  #queue = [];
  /** Who waits for the next event. */
  #waiting = [];
  #dealtWith = 0;
  #dropped = 0;
  #ended = false;

  constructor(secret, signal) {
    super();
    if (secret !== PRIVATE) throw invalid('events are heard of with watch or watchSync');
    this.#signal = signal;
    this.on('newListener', (name) => {
      if (name === CHANGE || KINDS.includes(name)) queueMicrotask(() => this.#giveOut());
    });
  }

  static async begin(handle, given) {
    const { options, signal } = watchOptions(given);
    if (signal?.aborted) throw cancelled(signal);
    const watch = new Watch(PRIVATE, signal);
    const events = watch.#listen();
    watch.#begun(
      await ask(
        (id) => native.startWatch(handle, mailbox(), id, events, options),
        (_, id) => native.takeWatch(mailbox(), id),
      ),
    );
    return watch;
  }

  static beginSync(handle, given) {
    const { options, signal } = watchOptions(given);
    if (signal?.aborted) throw cancelled(signal);
    const watch = new Watch(PRIVATE, signal);
    try {
      watch.#begun(native.watchNow(handle, mailbox(), watch.#listen(), options));
    } catch (error) {
      throw translated(error);
    }
    return watch;
  }

  #begun(made) {
    this.#native = made;
    if (this.#signal?.aborted) this.close();
    else this.#signal?.addEventListener('abort', this.#abort, { once: true });
  }

  #listen() {
    return listen((bytes, start, end) => {
      if (bytes[start] !== EVENT) return this.#end();
      if (!this.#ended) {
        this.#queue.push(readEvent(bytes, start, end));
        this.#giveOut();
      }
    });
  }

  /** Gives events to listeners, and where there are none to those who wait for them. */
  #giveOut() {
    const queue = this.#queue;
    if (queue.length === 0) return;
    const isHeard = [CHANGE, ...KINDS].some((name) => this.listenerCount(name) > 0);
    const count = isHeard ? queue.length : Math.min(queue.length, this.#waiting.length);
    for (const event of queue.splice(0, count)) {
      // A listener may have closed it.
      if (this.#ended) return;
      this.#deal();
      if (isHeard) {
        this.#emit(event.kind, event);
        this.#emit(CHANGE, event);
      } else {
        release();
        this.#waiting.shift().resolve({ value: event, done: false });
      }
    }
  }

  /** A listener that throws is no reason for others not to hear. */
  #emit(name, event) {
    try {
      this.emit(name, event);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }

  #deal() {
    if (++this.#dealtWith < TOLD_AT_ONCE) return;
    native.dealtWith(this.#native, this.#dealtWith);
    this.#dealtWith = 0;
  }

  #end() {
    if (this.#ended) return;
    this.#giveOut();
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#abort);
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      release();
      if (this.#signal?.aborted) reject(cancelled(this.#signal));
      else resolve({ value: undefined, done: true });
    }
    this.#emit('end');
  }

  get dropped() {
    return this.#ended || this.#native === undefined ? this.#dropped : native.droppedEvents(this.#native);
  }

  get ended() {
    return this.#ended;
  }

  close() {
    if (this.#ended) return;
    this.#dropped = this.dropped;
    this.#queue = [];
    this.#end();
    native.endWatch(this.#native);
  }

  next() {
    return new Promise((resolve, reject) => {
      if (this.#queue.length > 0) {
        this.#deal();
        resolve({ value: this.#queue.shift(), done: false });
      } else if (this.#signal?.aborted) reject(cancelled(this.#signal));
      else if (this.#ended) resolve({ value: undefined, done: true });
      else {
        hold();
        this.#waiting.push({ resolve, reject });
      }
    });
  }

  async return(value) {
    this.close();
    return { value, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async [Symbol.asyncDispose]() {
    this.close();
  }

  [Symbol.dispose]() {
    this.close();
  }
}

function readEvent(bytes, start, end) {
  const has = bytes[start + 12];
  return {
    kind: KINDS[bytes[start + 1]],
    key: has & 2 ? readKey(bytes, start + 21, end) : undefined,
    version: has & 1 ? bytes.readBigInt64LE(start + 13) : undefined,
    own: bytes[start + 2] === 1,
    shard: bytes[start + 3],
    missed: Number(bytes.readBigUInt64LE(start + 4)),
  };
}

/** What both forms of waiting check; answers with the options and the moment at which the wait ends. */
function waitOptions(holds, options) {
  if (typeof holds !== 'function') throw invalid('what is waited for is a function');
  if (typeof options !== 'object' || options === null) throw invalid('the options are an object');
  const { timeout = Infinity, signal } = options;
  if (!(timeout >= 0)) throw invalid('timeout is a number of milliseconds');
  return { signal, deadline: performance.now() + timeout };
}

/** Whether the value of a key came to be as `holds` wants it, within `timeout` milliseconds. */
async function waitFor(stash, key, holds, options = {}) {
  const { signal, deadline } = waitOptions(holds, options);
  const watch = await stash.watch({ key, signal, capacity: 1 });
  try {
    let wake = () => {};
    watch.on(CHANGE, () => wake());
    for (;;) {
      if (await holds(await stash.get(key))) return true;
      if (signal?.aborted) throw cancelled(signal);
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await new Promise((resolve) => {
        const timer = timers.setTimeout(resolve, Math.min(left, WAIT_PAUSE));
        wake = () => {
          timers.clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    watch.close();
  }
}

/** What nobody ever wakes. */
const asleep = new Int32Array(new SharedArrayBuffer(4));

/** The same here and now: nothing else of this thread goes on meanwhile. */
function waitForSync(stash, key, holds, options = {}) {
  const { signal, deadline } = waitOptions(holds, options);
  if (signal !== undefined) throw invalid('nobody can stop a wait that stops the event loop: give it a timeout');
  for (;;) {
    const answer = holds(stash.getSync(key));
    if (types.isPromise(answer)) throw invalid('what is waited for here and now answers here and now');
    if (answer) return true;
    const left = deadline - performance.now();
    if (left <= 0) return false;
    Atomics.wait(asleep, 0, 0, Math.min(left, WAIT_PAUSE));
  }
}

module.exports = { Watch, waitFor, waitForSync };
