'use strict';

const { types } = require('node:util');
const { setTimeout: sleep } = require('node:timers/promises');
const native = require('./native.js');
const { ELSEWHERE, MINE } = require('./answer.js');
const { decode } = require('./decode.js');
const { encode } = require('./encode.js');
const { fail, invalid, translated } = require('./errors.js');
const { ask, mailbox } = require('./mailbox.js');
const { writeCompute } = require('./request.js');
const { acquire, release } = require('./writer.js');

/** Milliseconds between two looks at what somebody else computes. */
const SHORTEST = 1;
const LONGEST = 20;

/** Computations of this thread that run, of all stashes. Who would wait for one of them here and now waits for ever. */
const running = new Map();

/** Equal for keys that are one key. Others than keys are refused by the first use of them. */
function nameOf(key) {
  if (typeof key === 'number') return Number.isInteger(key) ? `integer ${BigInt(key)}` : `float ${key}`;
  if (typeof key === 'bigint') return `integer ${key}`;
  if (types.isUint8Array(key)) return `bytes ${Buffer.from(key).toString('latin1')}`;
  return `text ${String(key)}`;
}

/** What `write(writer)` writes, given to `use(bytes, length)`, which copies it. */
function written(write, use) {
  const writer = acquire();
  try {
    write(writer);
    return use(writer.bytes, writer.at);
  } finally {
    release(writer);
  }
}

/** Computations of missing values: one for each key, however many wait for it. */
class Flights {
  #stash;
  #handle;
  #wrapFloats;
  /** What tells keys of this stash from those of others. */
  #place;
  #shared = new Map();
  /** Keys whose computations are on the stack. */
  #calling = new Set();

  constructor(stash, handle, wrapFloats, place) {
    this.#stash = stash;
    this.#handle = handle;
    this.#wrapFloats = wrapFloats;
    this.#place = place;
  }

  async join(key, compute, options) {
    this.#check(key, compute);
    const name = nameOf(key);
    const shared = this.#shared.get(name);
    // Where a value may be stale, who does not compute has it at once.
    if (shared !== undefined && options?.staleWhileRevalidate === undefined) return shared;
    const flight = this.#fly(key, name, compute, options, shared === undefined);
    if (shared !== undefined) return flight;
    this.#shared.set(name, flight);
    try {
      return await flight;
    } finally {
      this.#shared.delete(name);
    }
  }

  async #fly(key, name, compute, options, isFirst) {
    // Whatever was called before is done before.
    const found = await this.#stash.get(key);
    if (found !== undefined && options?.staleWhileRevalidate === undefined) return found;
    for (let pause = SHORTEST; ; pause = Math.min(pause * 1.5, LONGEST)) {
      // From the request on, for its answer may be the turn, and lie in the mailbox while this thread waits here and now.
      const done = this.#enter(name);
      let begun;
      try {
        begun = await this.#begin(key, options);
        if (begun.turn !== undefined) return await this.#compute(begun.turn, name, compute);
      } finally {
        done();
      }
      if (begun.value !== undefined) return begun.value;
      const shared = this.#shared.get(name);
      if (!isFirst && shared !== undefined) return shared;
      await sleep(pause);
    }
  }

  #begin(key, options) {
    const take = (answer, id) => {
      if (answer === MINE) return { turn: native.takeTurn(mailbox(), id) };
      return answer === ELSEWHERE ? {} : { value: answer };
    };
    const start = (id) =>
      written(
        (writer) => writeCompute(writer, key, options),
        (bytes, length) => native.startGetOrSet(this.#handle, mailbox(), id, bytes, length),
      );
    return ask(start, take, this.#wrapFloats);
  }

  async #compute(turn, name, compute) {
    let isHandedOver = false;
    const finish = (value) => (id) =>
      written(
        (writer) => encode(writer, value),
        (bytes, length) => {
          isHandedOver = true;
          native.finishTurn(turn, mailbox(), id, bytes, length);
        },
      );
    try {
      const value = await this.#call(name, compute);
      return await ask(finish(value), undefined, this.#wrapFloats);
    } catch (error) {
      // Before anybody hears of it, so that who asks again then has a turn.
      if (!isHandedOver) await ask((id) => native.failTurn(turn, mailbox(), id));
      throw error;
    }
  }

  joinSync(key, compute, options) {
    this.#check(key, compute);
    const name = nameOf(key);
    if (running.has(this.#place + name)) return this.#besides(key, name, compute, options);
    try {
      const found = written(
        (writer) => writeCompute(writer, key, options),
        (bytes, length) => native.getOrSetNow(this.#handle, bytes, length),
      );
      if (found !== null) return decode(found, 0, this.#wrapFloats);
      return this.#computeSync(native.takeTurnNow(), name, compute);
    } catch (error) {
      throw translated(error);
    }
  }

  #computeSync(turn, name, compute) {
    const done = this.#enter(name);
    let isHandedOver = false;
    try {
      const value = this.#callSync(name, compute);
      const stored = written(
        (writer) => encode(writer, value),
        (bytes, length) => {
          isHandedOver = true;
          return native.finishTurnNow(turn, bytes, length);
        },
      );
      return decode(stored, 0, this.#wrapFloats);
    } catch (error) {
      if (!isHandedOver) native.failTurnNow(turn);
      throw error;
    } finally {
      done();
    }
  }

  /** Computes although a computation of this thread runs, which cannot go on meanwhile. Who stores first has stored. */
  #besides(key, name, compute, { ttl, idle, expiresAt } = {}) {
    const stash = this.#stash;
    const found = stash.getSync(key);
    if (found !== undefined) return found;
    const value = this.#callSync(name, compute);
    stash.setSync(key, value, { ttl, idle, expiresAt, ifAbsent: true });
    const stored = stash.getSync(key);
    return stored === undefined ? value : stored;
  }

  /** Notes that a computation runs, until what is returned is called. */
  #enter(name) {
    const full = this.#place + name;
    running.set(full, (running.get(full) ?? 0) + 1);
    return () => {
      const left = running.get(full) - 1;
      if (left === 0) running.delete(full);
      else running.set(full, left);
    };
  }

  #check(key, compute) {
    if (typeof compute !== 'function') throw invalid('what computes a value is a function');
    if (this.#calling.has(nameOf(key))) throw invalid('the computation of a key asks for the same key');
  }

  async #call(name, compute) {
    this.#calling.add(name);
    let computed;
    try {
      computed = compute();
    } catch (cause) {
      throw failed(cause);
    } finally {
      this.#calling.delete(name);
    }
    try {
      return await computed;
    } catch (cause) {
      throw failed(cause);
    }
  }

  #callSync(name, compute) {
    this.#calling.add(name);
    try {
      return compute();
    } catch (cause) {
      throw failed(cause);
    } finally {
      this.#calling.delete(name);
    }
  }
}

const failed = (cause) => fail('ComputeFailed', 'the computation of the value failed', { cause });

module.exports = { Flights };
