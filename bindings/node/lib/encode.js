'use strict';

const { types } = require('node:util');
const { Float, Timestamp } = require('./values.js');
const { LiteStashError } = require('./errors.js');
const { limitTable } = require('./native.js');

const { depthMax, valueBytesMax } = limitTable();

/** Texts up to this length are written by JavaScript. */
const SHORT = 24;

/** Maps with at most so many keys are remembered by them. */
const SHAPE_KEYS_MAX = 32;
const SHAPES = 512;

/** What is wrong with a value. Containers put their part of the path in front while it passes through them. */
class Problem extends Error {
  path = '';

  constructor(code, message) {
    super(message);
    this.code = code;
  }

  inside(step) {
    this.path = step + this.path;
    return this;
  }
}

const step = (key) => (/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
const unfit = (what) => new Problem('InvalidValue', `${what} cannot be stored`);

/** Writes the canonical encoding of a value. Errors name the place in the value. */
function encode(writer, value) {
  try {
    write(writer, value, 1);
  } catch (error) {
    throw error instanceof Problem ? explained(error, value) : error;
  }
}

function explained(problem, value) {
  let { code, message, path } = problem;
  if (problem.tooDeep) {
    const cycle = findCycle(value, new Set());
    if (cycle !== undefined) [code, message, path] = ['InvalidValue', 'an object that contains itself cannot be stored', cycle];
  }
  const error = new LiteStashError(code, `$${path}: ${message}`);
  error.path = `$${path}`;
  return error;
}

/** The path to an object that is its own ancestor. */
function findCycle(value, ancestors) {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined;
  if (ancestors.has(value)) return '';
  if (ancestors.size > 1000) return undefined;
  ancestors.add(value);
  const members = Array.isArray(value) ? value.entries() : types.isMap(value) ? value : Object.entries(value);
  for (const [key, member] of members) {
    const below = findCycle(member, ancestors);
    if (below !== undefined) return (typeof key === 'number' ? `[${key}]` : step(key)) + below;
  }
  ancestors.delete(value);
  return undefined;
}

function write(writer, value, depth) {
  switch (typeof value) {
    case 'string':
      return writeText(writer, value);
    case 'number':
      return writeNumber(writer, value);
    case 'boolean':
      return writer.u8(value ? 0xc3 : 0xc2);
    case 'object':
      return value === null ? writer.u8(0xc0) : writeObject(writer, value, depth);
    case 'bigint':
      return writeBigInt(writer, value);
    default:
      throw unfit(typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`);
  }
}

function writeNumber(writer, value) {
  writer.reserve(9);
  const { bytes } = writer;
  const small = value | 0;
  if (small !== value || (value === 0 && Object.is(value, -0))) {
    if (Number.isSafeInteger(value) && value !== 0) return writeWide(writer, value);
    return writeFloat(writer, value);
  }
  if (small >= 0) {
    if (small < 0x80) bytes[writer.at++] = small;
    else if (small < 0x100) {
      bytes[writer.at++] = 0xcc;
      bytes[writer.at++] = small;
    } else if (small < 0x10000) {
      bytes[writer.at++] = 0xcd;
      bytes[writer.at++] = small >> 8;
      bytes[writer.at++] = small;
    } else {
      bytes[writer.at++] = 0xce;
      writer.view.setUint32(writer.at, small);
      writer.at += 4;
    }
  } else if (small >= -0x20) bytes[writer.at++] = small;
  else if (small >= -0x80) {
    bytes[writer.at++] = 0xd0;
    bytes[writer.at++] = small;
  } else if (small >= -0x8000) {
    bytes[writer.at++] = 0xd1;
    bytes[writer.at++] = small >> 8;
    bytes[writer.at++] = small;
  } else {
    bytes[writer.at++] = 0xd2;
    writer.view.setInt32(writer.at, small);
    writer.at += 4;
  }
}

/** A safe integer of more than 32 signed bits. */
function writeWide(writer, value) {
  const { bytes, view } = writer;
  if (value >= 0 && value <= 0xffffffff) {
    bytes[writer.at] = 0xce;
    view.setUint32(writer.at + 1, value);
    writer.at += 5;
    return;
  }
  bytes[writer.at] = value < 0 ? 0xd3 : 0xcf;
  view.setInt32(writer.at + 1, Math.floor(value / 0x100000000));
  view.setUint32(writer.at + 5, value >>> 0);
  writer.at += 9;
}

function writeFloat(writer, value) {
  writer.reserve(9);
  writer.bytes[writer.at] = 0xcb;
  if (value === value) writer.view.setFloat64(writer.at + 1, value);
  else {
    // NaN has one legal form, and a platform may have many.
    writer.view.setUint32(writer.at + 1, 0x7ff80000);
    writer.view.setUint32(writer.at + 5, 0);
  }
  writer.at += 9;
}

function writeBigInt(writer, value) {
  if (value >= -0x80000000n && value <= 0x7fffffffn) return writeNumber(writer, Number(value));
  writer.reserve(9);
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
    return writeWide(writer, Number(value));
  }
  if (value < -(2n ** 63n) || value >= 2n ** 64n) throw new Problem('InvalidValue', 'an integer outside 64 bits cannot be stored');
  writer.bytes[writer.at] = value < 0n ? 0xd3 : 0xcf;
  writer.view.setBigUint64(writer.at + 1, BigInt.asUintN(64, value));
  writer.at += 9;
}

function writeText(writer, text) {
  const { length } = text;
  if (length <= SHORT) {
    writer.reserve(SHORT + 1);
    const { bytes, at } = writer;
    let place = at + 1;
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) break;
      bytes[place++] = unit;
    }
    if (i === length) {
      bytes[at] = 0xa0 | length;
      writer.at = place;
      return;
    }
  }
  const count = Buffer.byteLength(text);
  if (count > valueBytesMax) throw new Problem('TooLarge', 'a text that is longer than any value can be');
  if (count !== length && !text.isWellFormed()) throw unfit('text with a lone surrogate');
  writer.reserve(count + 5);
  if (count < 0x20) writer.bytes[writer.at++] = 0xa0 | count;
  else writeHead(writer, count, 0xd9);
  writer.at += writer.bytes.utf8Write(text, writer.at, count);
}

/** A length of 8, 16 or 32 bits behind one of three tags in a row. */
function writeHead(writer, length, tag) {
  writer.reserve(5);
  const { bytes, view } = writer;
  if (length < 0x100) {
    bytes[writer.at++] = tag;
    bytes[writer.at++] = length;
  } else if (length < 0x10000) {
    bytes[writer.at++] = tag + 1;
    bytes[writer.at++] = length >> 8;
    bytes[writer.at++] = length;
  } else {
    bytes[writer.at++] = tag + 2;
    view.setUint32(writer.at, length);
    writer.at += 4;
  }
}

/** The head of an array or a map: up to 15 in the tag itself, else 16 or 32 bits. */
function writeCount(writer, count, few, tag) {
  writer.reserve(5);
  const { bytes, view } = writer;
  if (count < 0x10) bytes[writer.at++] = few | count;
  else if (count < 0x10000) {
    bytes[writer.at++] = tag;
    bytes[writer.at++] = count >> 8;
    bytes[writer.at++] = count;
  } else {
    bytes[writer.at++] = tag + 1;
    view.setUint32(writer.at, count);
    writer.at += 4;
  }
}

function writeObject(writer, value, depth) {
  if (Array.isArray(value)) return writeArray(writer, value, depth);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return writeRecord(writer, value, depth);
  if (ArrayBuffer.isView(value)) return writeView(writer, value);
  if (types.isDate(value)) return writeDate(writer, value);
  if (types.isMap(value)) return writeMap(writer, value, depth);
  if (value instanceof Float) return writeFloat(writer, value.value);
  if (value instanceof Timestamp) return writeTimestamp(writer, value.seconds, value.nanoseconds);
  // A plain object of another realm, such as a vm context.
  if (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')) {
    return writeRecord(writer, value, depth);
  }
  throw unfit('an object of a class');
}

function enter(depth) {
  if (depth <= depthMax) return;
  const problem = new Problem('TooLarge', `a value that is nested deeper than ${depthMax} levels cannot be stored`);
  problem.tooDeep = true;
  throw problem;
}

function writeArray(writer, array, depth) {
  enter(depth);
  const { length } = array;
  writeCount(writer, length, 0x90, 0xdc);
  let i = 0;
  try {
    for (; i < length; i++) write(writer, array[i], depth + 1);
  } catch (error) {
    throw error instanceof Problem ? error.inside(`[${i}]`) : error;
  }
}

/** Keys in canonical order, with their encodings. */
class Shape {
  constructor(keys) {
    this.given = keys;
    this.keys = sorted(keys);
    this.heads = this.keys.map(encodedKey);
  }
}

const shapes = new Array(SHAPES).fill(null);
const { Writer } = require('./writer.js');
const keyWriter = new Writer();

function encodedKey(key) {
  keyWriter.at = 0;
  writeText(keyWriter, key);
  return Uint8Array.prototype.slice.call(keyWriter.bytes, 0, keyWriter.at);
}

/** In the order of their UTF-8 bytes. */
function sorted(keys) {
  return keys.slice().sort((a, b) => {
    const length = Math.min(a.length, b.length);
    for (let i = 0; i < length; i++) {
      let left = a.charCodeAt(i);
      let right = b.charCodeAt(i);
      if (left === right) continue;
      // Surrogates stand for code points above all others.
      if (left >= 0xd800 && right >= 0xd800) {
        left += left >= 0xe000 ? -0x800 : 0x2000;
        right += right >= 0xe000 ? -0x800 : 0x2000;
      }
      return left - right;
    }
    return a.length - b.length;
  });
}

function shapeOf(keys) {
  const { length } = keys;
  if (length > SHAPE_KEYS_MAX) return new Shape(keys);
  let place = length;
  for (let i = 0; i < length; i++) place = (place * 31 + keys[i].length + keys[i].charCodeAt(0)) & (SHAPES - 1);
  const shape = shapes[place];
  if (shape !== null && shape.given.length === length) {
    let i = 0;
    while (i < length && shape.given[i] === keys[i]) i++;
    if (i === length) return shape;
  }
  return (shapes[place] = new Shape(keys));
}

function writeRecord(writer, record, depth) {
  enter(depth);
  const names = Object.keys(record);
  if (Object.getOwnPropertySymbols(record).length > 0) throw unfit('an object with symbols as keys');
  const { keys, heads } = shapeOf(names);
  const { length } = keys;
  writeCount(writer, length, 0x80, 0xde);
  let i = 0;
  try {
    for (; i < length; i++) {
      const head = heads[i];
      const size = head.length;
      writer.reserve(size);
      const { bytes } = writer;
      let place = writer.at;
      for (let j = 0; j < size; j++) bytes[place++] = head[j];
      writer.at = place;
      write(writer, record[keys[i]], depth + 1);
    }
  } catch (error) {
    throw error instanceof Problem ? error.inside(step(keys[i])) : error;
  }
}

function writeMap(writer, map, depth) {
  enter(depth);
  const names = [...Map.prototype.keys.call(map)];
  if (!names.every((key) => typeof key === 'string')) throw unfit('a Map with a key that is no text');
  const keys = sorted(names);
  writeCount(writer, keys.length, 0x80, 0xde);
  let i = 0;
  try {
    for (; i < keys.length; i++) {
      writeText(writer, keys[i]);
      write(writer, Map.prototype.get.call(map, keys[i]), depth + 1);
    }
  } catch (error) {
    throw error instanceof Problem ? error.inside(step(keys[i])) : error;
  }
}

function writeView(writer, view) {
  const { byteLength } = view;
  if (byteLength > valueBytesMax) throw new Problem('TooLarge', 'bytes that are longer than any value can be');
  if (types.isUint8Array(view)) {
    writeHead(writer, byteLength, 0xc4);
    writer.raw(view);
  } else if (types.isFloat32Array(view)) writeVector(writer, view, byteLength);
  else throw unfit(`an array of type ${view[Symbol.toStringTag] ?? 'DataView'}`);
}

function writeExtension(writer, length, type) {
  if (length === 4 || length === 8 || length === 16) writer.u8(0xd5 + Math.log2(length) - 1);
  else writeHead(writer, length, 0xc7);
  writer.u8(type);
}

function writeVector(writer, vector, byteLength) {
  writeExtension(writer, byteLength, 1);
  writer.reserve(byteLength);
  for (let i = 0; i < vector.length; i++) {
    const number = vector[i];
    if (number === number) writer.view.setFloat32(writer.at, number, true);
    else writer.view.setUint32(writer.at, 0x7fc00000, true);
    writer.at += 4;
  }
}

function writeDate(writer, date) {
  const ms = Date.prototype.getTime.call(date);
  if (ms !== ms) throw unfit('an invalid Date');
  const seconds = Math.floor(ms / 1000);
  writeTimestamp(writer, BigInt(seconds), (ms - seconds * 1000) * 1_000_000);
}

function writeTimestamp(writer, seconds, nanoseconds) {
  if (seconds >= 0n && seconds < 2n ** 32n && nanoseconds === 0) {
    writeExtension(writer, 4, 0xff);
    writer.reserve(4);
    writer.view.setUint32(writer.at, Number(seconds));
    writer.at += 4;
  } else if (seconds >= 0n && seconds < 2n ** 34n) {
    writeExtension(writer, 8, 0xff);
    writer.reserve(8);
    writer.view.setBigUint64(writer.at, (BigInt(nanoseconds) << 34n) | seconds);
    writer.at += 8;
  } else {
    writeExtension(writer, 12, 0xff);
    writer.reserve(12);
    writer.view.setUint32(writer.at, nanoseconds);
    writer.view.setBigInt64(writer.at + 4, seconds);
    writer.at += 12;
  }
}

module.exports = { encode };
