'use strict';

const { fail, invalid } = require('./errors.js');
const { types } = require('node:util');

/** Equal for keys that are one key. Others than keys are refused by the first use of them. */
function nameOf(key) {
  if (typeof key === 'number') return Number.isInteger(key) ? `integer ${BigInt(key)}` : `float ${key}`;
  if (typeof key === 'bigint') return `integer ${key}`;
  if (types.isUint8Array(key)) return `bytes ${Buffer.from(key).toString('latin1')}`;
  return `text ${String(key)}`;
}

/** Computations that run: one for each key of a stash, however many wait for it. */
class Flights {
  #stash;
  #running = new Map();
  /** Keys whose computations are on the stack. */
  #calling = new Set();

  constructor(stash) {
    this.#stash = stash;
  }

  async join(key, compute, options) {
    this.#check(key, compute);
    const name = nameOf(key);
    const running = this.#running.get(name);
    if (running !== undefined) return running;
    const flight = this.#fly(key, name, compute, options);
    this.#running.set(name, flight);
    try {
      return await flight;
    } finally {
      this.#running.delete(name);
    }
  }

  async #fly(key, name, compute, options) {
    const stash = this.#stash;
    const found = await stash.get(key);
    if (found !== undefined) return found;
    let value;
    try {
      value = await this.#call(name, compute);
    } catch (cause) {
      throw failed(cause);
    }
    await stash.set(key, value, { ...options, ifAbsent: true });
    // What is stored is what everybody gets, whoever was first; unless it has expired already.
    const stored = await stash.get(key);
    return stored === undefined ? value : stored;
  }

  joinSync(key, compute, options) {
    this.#check(key, compute);
    const stash = this.#stash;
    const found = stash.getSync(key);
    if (found !== undefined) return found;
    let value;
    try {
      value = this.#call(nameOf(key), compute);
    } catch (cause) {
      throw failed(cause);
    }
    stash.setSync(key, value, { ...options, ifAbsent: true });
    const stored = stash.getSync(key);
    return stored === undefined ? value : stored;
  }

  #check(key, compute) {
    if (typeof compute !== 'function') throw invalid('what computes a value is a function');
    if (this.#calling.has(nameOf(key))) throw invalid('the computation of a key asks for the same key');
  }

  #call(name, compute) {
    this.#calling.add(name);
    try {
      return compute();
    } finally {
      this.#calling.delete(name);
    }
  }
}

const failed = (cause) => fail('ComputeFailed', 'the computation of the value failed', { cause });

module.exports = { Flights };
