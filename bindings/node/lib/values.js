'use strict';

const { fail } = require('./errors.js');

/** A number that is stored as a float although it is whole. See `index.d.ts`. */
class Float {
  constructor(value) {
    if (typeof value !== 'number') throw fail('InvalidValue', 'a Float is made of a number');
    this.value = value;
    Object.freeze(this);
  }

  valueOf() {
    return this.value;
  }
}

/** A moment that no Date can hold. See `index.d.ts`. */
class Timestamp {
  constructor(seconds, nanoseconds = 0) {
    if (typeof seconds !== 'bigint' || BigInt.asIntN(64, seconds) !== seconds) {
      throw fail('InvalidValue', 'the seconds of a Timestamp are a bigint of 64 bits');
    }
    if (!Number.isInteger(nanoseconds) || nanoseconds < 0 || nanoseconds > 999_999_999) {
      throw fail('InvalidValue', 'the nanoseconds of a Timestamp are 0 to 999 999 999');
    }
    this.seconds = seconds;
    this.nanoseconds = nanoseconds;
    Object.freeze(this);
  }
}

/** What is stored under a key, with what belongs to it. See `index.d.ts`. */
class Entry {
  constructor(value, version, expiresAtMicros, size, idleMicros) {
    this.value = value;
    this.version = version;
    this.expiresAtMicros = expiresAtMicros;
    this.size = size;
    this.idleMicros = idleMicros;
  }

  get expiresAt() {
    return this.expiresAtMicros === null ? null : new Date(Number(this.expiresAtMicros / 1000n));
  }

  get idle() {
    return this.idleMicros === null ? null : Number(this.idleMicros) / 1000;
  }
}

module.exports = { Float, Timestamp, Entry };
