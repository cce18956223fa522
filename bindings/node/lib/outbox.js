'use strict';

const timers = require('node:timers');
const native = require('./native.js');
const { read } = require('./answer.js');
const { LiteStashError, translated } = require('./errors.js');
const { Waiter, mailbox, register } = require('./mailbox.js');
const { PLACES } = require('./request.js');
const { Writer } = require('./writer.js');

/** Requests and bytes after which they are handed over before the turn ends, so that work on them begins. */
const REQUESTS_MAX = 1000;
const BYTES_MAX = 1 << 20;

/** What is under way through all handles of a stash and its buckets. */
class Ledger {
  group = { left: 0, resolve: undefined };
  #older = Promise.resolve();

  /** Until everything that was added so far has been answered. */
  settled() {
    const { group } = this;
    if (group.left === 0) return this.#older;
    const done = new Promise((resolve) => (group.resolve = resolve));
    this.group = { left: 0, resolve: undefined };
    this.#older = Promise.all([this.#older, done]).then(() => undefined);
    return this.#older;
  }
}

/** The parts of the promise that is being made. One function for all promises, which are many. */
let resolvePromise;
let rejectPromise;
const keepParts = (resolve, reject) => {
  resolvePromise = resolve;
  rejectPromise = reject;
};

/** A request that waits for its answer. One object and no closures, for the same reason. */
class Request extends Waiter {
  constructor(outbox, group, places, take) {
    super();
    this.resolve = resolvePromise;
    this.reject = rejectPromise;
    this.outbox = outbox;
    this.group = group;
    this.places = places;
    this.take = take;
  }

  settle(bytes, start, end) {
    const { outbox, group, take } = this;
    outbox.count(this.places, -1);
    if (--group.left === 0) group.resolve?.();
    try {
      const answer = read(bytes, start, end, outbox.wrapFloats);
      if (answer instanceof LiteStashError) this.reject(answer);
      else this.resolve(take === undefined ? answer : take(answer));
    } catch (error) {
      this.reject(translated(error));
    }
  }
}

/** What one stash is to do, collected until the end of a turn of the event loop. */
class Outbox {
  #handle;
  #wrapFloats;
  #writer = new Writer();
  #requests = 0;
  #isScheduled = false;
  /** How many writes are on their way, by the place of their key. */
  #writing = new Uint32Array(PLACES);
  #ledger;

  /** `owner` is kept as long as somebody waits for an answer. */
  constructor(owner, handle, { wrapFloats, ledger }) {
    this.owner = owner;
    this.#handle = handle;
    this.#wrapFloats = wrapFloats;
    this.#ledger = ledger;
  }

  /** Whether a write of a key with that place may be on its way. */
  isWriting(place) {
    return this.#writing[place] > 0;
  }

  /**
   * Adds a request; `places` is the place of the key that it writes, a list of them, or none (-1). `inOrder` says whether
   * it must wait for writes. `take` makes something of the answer.
   */
  add(request, places, inOrder, take) {
    const promise = new Promise(keepParts);
    const { group } = this.#ledger;
    group.left++;
    this.count(places, 1);
    const id = register(new Request(this, group, places, take));
    const writer = this.#writer;
    const length = request.at;
    writer.reserve(length + 9);
    const { bytes, view, at } = writer;
    view.setUint32(at, id, true);
    bytes[at + 4] = inOrder ? 1 : 0;
    view.setUint32(at + 5, length, true);
    request.bytes.copy(bytes, at + 9, 0, length);
    writer.at += length + 9;
    if (++this.#requests >= REQUESTS_MAX || writer.at >= BYTES_MAX) this.#handOver();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      timers.setImmediate(() => {
        this.#isScheduled = false;
        this.#handOver();
      });
    }
    return promise;
  }

  get wrapFloats() {
    return this.#wrapFloats;
  }

  /** Counts writes that begin or have ended. */
  count(places, by) {
    if (typeof places === 'number') {
      if (places >= 0) this.#writing[places] += by;
    } else for (let i = 0; i < places.length; i++) this.#writing[places[i]] += by;
  }

  #handOver() {
    if (this.#requests === 0) return;
    const writer = this.#writer;
    native.handOver(this.#handle, mailbox(), writer.bytes, writer.at);
    this.#requests = 0;
    writer.at = 0;
    writer.shrink();
  }

  /** Until everything that was added so far, through whichever handle, has been answered. */
  settled() {
    this.#handOver();
    return this.#ledger.settled();
  }
}

module.exports = { Ledger, Outbox };
