'use strict';

const { fail, invalid } = require('./errors.js');
const { encode } = require('./encode.js');
const { limitTable } = require('./native.js');
const { types } = require('node:util');

const { keyBytesMax } = limitTable();

// The opcodes of src/frame.rs.
const GET = 1;
const EXISTS = 2;
const ENTRY = 3;
const SET = 4;
const DELETE = 5;
const TAKE = 6;
const INCREMENT = 7;
const INCREMENT_FLOAT = 8;
const COMPARE_AND_SET = 9;
const EXPIRE = 10;
const PERSIST = 11;
const EXPIRES_AT = 12;
const MANY = 13;
const PEEK = 14;
const TOUCH = 15;
const CHECK = 16;
const EXPECT = 17;
const TRANSACTION = 18;

/** Places that keys fall into, to know whether a write of a key is on its way. */
const PLACES = 4096;

/** Text keys up to this length are written by JavaScript. */
const SHORT = 64;

const tooLong = (bytes) => fail('TooLarge', `the key has ${bytes} bytes; the limit is ${keyBytesMax}`);

/** Writes a key and answers with its place: equal keys have equal places. */
function writeKey(writer, key) {
  if (typeof key === 'string') return writeText(writer, key);
  if (typeof key === 'number') {
    head(writer, 2, 8).f64(key);
    return Number.isInteger(key) ? Math.abs(key % 4093) : 4093;
  }
  if (typeof key === 'bigint') {
    if (BigInt.asIntN(64, key) !== key) throw fail('InvalidKey', 'an integer key must fit 64 signed bits');
    head(writer, 1, 8).i64(key);
    return Math.abs(Number(key % 4093n));
  }
  if (types.isUint8Array(key)) {
    if (key.length > keyBytesMax) throw tooLong(key.length);
    head(writer, 3, key.length).raw(key);
    return 4094;
  }
  throw fail('InvalidKey', 'a key is a string, a number, a bigint or a Uint8Array');
}

function head(writer, kind, length) {
  writer.u8(kind);
  writer.u32(length);
  return writer;
}

function writeText(writer, key) {
  const { length } = key;
  if (length > keyBytesMax) throw tooLong(`at least ${length}`);
  writer.reserve(5 + 3 * length);
  const { bytes, at } = writer;
  bytes[at] = 0;
  let place = 0;
  let end = at + 5;
  let i = 0;
  if (length <= SHORT) {
    for (; i < length; i++) {
      const unit = key.charCodeAt(i);
      if (unit >= 0x80) break;
      bytes[end++] = unit;
      place = (place * 31 + unit) | 0;
    }
  }
  if (i < length) {
    if (!key.isWellFormed()) throw fail('InvalidKey', "the key's text has a lone surrogate");
    end = at + 5 + bytes.utf8Write(key, at + 5);
    place = length * 31 + key.charCodeAt(length - 1);
  }
  writer.view.setUint32(at + 1, end - at - 5, true);
  writer.at = end;
  return place & (PLACES - 1);
}

/** Writes an operation that is nothing but its key. */
function writeBare(writer, opcode, key) {
  writer.u8(opcode);
  return writeKey(writer, key);
}

function writeValue(writer, value) {
  const start = writer.beginSized();
  encode(writer, value);
  writer.sized(start);
}

/** Microseconds of what is given in milliseconds, or, as a bigint, in microseconds. */
function micros(given, name) {
  const us = typeof given === 'number' && Number.isFinite(given) ? BigInt(Math.round(given * 1000)) : given;
  if (typeof us !== 'bigint' || BigInt.asIntN(64, us) !== us) {
    throw invalid(`${name} is a number of milliseconds or a bigint of microseconds`);
  }
  return us;
}

function writeDeadline(writer, { ttl, idle, expiresAt }) {
  if ((ttl !== undefined) + (idle !== undefined) + (expiresAt !== undefined) > 1) {
    throw invalid('ttl, idle and expiresAt exclude each other');
  }
  if (ttl !== undefined) writeMicros(writer, 1, ttl, 'ttl');
  else if (idle !== undefined) writeMicros(writer, 3, idle, 'idle');
  else if (expiresAt === null) writer.u8(4);
  else if (expiresAt !== undefined) {
    writeMicros(writer, 2, types.isDate(expiresAt) ? Number(expiresAt) : expiresAt, 'expiresAt');
  } else writer.u8(0);
}

function writeMicros(writer, kind, given, name) {
  const us = micros(given, name);
  writer.u8(kind);
  writer.i64(us);
}

/** At most one of the three; without one the answer is 0. */
function writeCondition(writer, { ifAbsent, ifPresent, ifVersion }) {
  if (Boolean(ifAbsent) + Boolean(ifPresent) + (ifVersion !== undefined) > 1) {
    throw invalid('only one condition can be asked for');
  }
  if (ifVersion === undefined) {
    const condition = ifAbsent ? 1 : ifPresent ? 2 : 0;
    writer.u8(condition);
    return condition;
  }
  if (typeof ifVersion !== 'bigint' || BigInt.asIntN(64, ifVersion) !== ifVersion) throw invalid('ifVersion is a bigint');
  writer.u8(3);
  writer.i64(ifVersion);
  return 3;
}

function writeSetOptions(writer, options) {
  if (options === undefined) {
    writer.reserve(3);
    const { bytes, at } = writer;
    bytes[at] = bytes[at + 1] = bytes[at + 2] = 0;
    writer.at += 3;
    return;
  }
  if (typeof options !== 'object' || options === null) throw invalid('the options are an object');
  writeCondition(writer, options);
  writer.u8(options.keepTtl ? 1 : 0);
  writeDeadline(writer, options);
}

function writeSet(writer, key, value, options) {
  const place = writeBare(writer, SET, key);
  writeSetOptions(writer, options);
  writeValue(writer, value);
  return place;
}

function writeCompareAndSet(writer, key, expected, value) {
  const place = writeBare(writer, COMPARE_AND_SET, key);
  writer.u8(expected === undefined ? 0 : 1);
  if (expected !== undefined) writeValue(writer, expected);
  writeValue(writer, value);
  return place;
}

function writeIncrement(writer, key, by) {
  const isWhole = typeof by === 'bigint' ? BigInt.asIntN(64, by) === by : Number.isSafeInteger(by);
  if (!isWhole) throw invalid('an integer is incremented by a safe integer or a bigint of 64 bits');
  const place = writeBare(writer, INCREMENT, key);
  writer.i64(BigInt(by));
  return place;
}

function writeIncrementFloat(writer, key, by) {
  if (typeof by !== 'number') throw invalid('a float is incremented by a number');
  const place = writeBare(writer, INCREMENT_FLOAT, key);
  writer.f64(by);
  return place;
}

function writeExpire(writer, key, deadline) {
  const given = typeof deadline === 'object' && deadline !== null ? deadline : { ttl: deadline };
  const { ttl, idle, expiresAt } = given;
  if (ttl === undefined && idle === undefined && expiresAt === undefined) throw invalid('ttl, idle or expiresAt is missing');
  const place = writeBare(writer, EXPIRE, key);
  writeDeadline(writer, given);
  return place;
}

/** Asks whether a condition holds: one of a set's, or that the key holds a value. */
function writeCheck(writer, key, condition) {
  if (typeof condition !== 'object' || condition === null) throw invalid('the condition is an object');
  if (condition.expected === undefined) {
    const place = writeBare(writer, CHECK, key);
    if (writeCondition(writer, condition) === 0) throw invalid('ifAbsent, ifPresent, ifVersion or expected is missing');
    return place;
  }
  const { ifAbsent, ifPresent, ifVersion } = condition;
  if (ifAbsent || ifPresent || ifVersion !== undefined) throw invalid('only one condition can be asked for');
  const place = writeBare(writer, EXPECT, key);
  writeValue(writer, condition.expected);
  return place;
}

/** A key and how its value is computed. */
function writeCompute(writer, key, options = {}) {
  if (typeof options !== 'object' || options === null) throw invalid('the options are an object');
  const { acrossProcesses = true, lease, staleWhileRevalidate, ttl, idle, expiresAt } = options;
  const place = writeKey(writer, key);
  writeSetOptions(writer, { ttl, idle, expiresAt });
  writer.u8(acrossProcesses ? 1 : 0);
  for (const [name, span] of [['lease', lease], ['staleWhileRevalidate', staleWhileRevalidate]]) {
    if (span === undefined) writer.u8(0);
    else writeMicros(writer, 1, span, name);
  }
  return place;
}

/** One of `apply`'s operations. */
function writeOperation(writer, operation) {
  const { op, key } = operation;
  switch (op) {
    case 'get':
      return writeBare(writer, GET, key);
    case 'exists':
      return writeBare(writer, EXISTS, key);
    case 'entry':
      return writeBare(writer, ENTRY, key);
    case 'set':
      return writeSet(writer, key, operation.value, operation);
    case 'add':
      return writeSet(writer, key, operation.value, { ...operation, ifAbsent: true });
    case 'replace':
      return writeSet(writer, key, operation.value, { ...operation, ifPresent: true });
    case 'delete':
      return writeBare(writer, DELETE, key);
    case 'take':
      return writeBare(writer, TAKE, key);
    case 'increment':
      return writeIncrement(writer, key, operation.by ?? 1);
    case 'incrementFloat':
      return writeIncrementFloat(writer, key, operation.by);
    case 'compareAndSet':
      return writeCompareAndSet(writer, key, operation.expected, operation.value);
    case 'expire':
      return writeExpire(writer, key, operation);
    case 'persist':
      return writeBare(writer, PERSIST, key);
    case 'touch':
      return writeBare(writer, TOUCH, key);
    case 'check':
      return writeCheck(writer, key, operation);
    case 'expiresAt':
      return writeBare(writer, EXPIRES_AT, key);
    default:
      throw invalid('an operation has the name of one in `op`');
  }
}

/**
 * Writes many operations. `write` writes one of them; with `whole` all are checked before anything is done. What
 * JavaScript refuses of the others is in `refused`, by its index, and not in the request.
 */
function writeMany(writer, opcode, items, whole, write) {
  writer.u8(opcode);
  writer.u8(whole ? 1 : 0);
  const countAt = writer.at;
  writer.u32(0);
  const places = [];
  const refused = new Map();
  let index = 0;
  for (const item of items) {
    const start = writer.beginSized();
    try {
      places.push(write(writer, item));
      writer.sized(start);
    } catch (error) {
      if (whole) throw error;
      writer.at = start - 4;
      refused.set(index, error);
    }
    index++;
  }
  writer.view.setUint32(countAt, index - refused.size, true);
  return { places, refused };
}

module.exports = {
  GET, EXISTS, ENTRY, DELETE, TAKE, PERSIST, EXPIRES_AT, PEEK, TOUCH, MANY, TRANSACTION, PLACES,
  writeKey, writeBare, writeSet, writeCompareAndSet, writeIncrement, writeIncrementFloat, writeExpire, writeCheck,
  writeCompute, writeOperation, writeMany, micros,
};
