'use strict';

const { Float, Timestamp } = require('./values.js');

/** Keys that are remembered, over all shapes of maps. */
const NODES_MAX = 4096;

/** Maps with more keys are taken for dictionaries, whose keys are not worth remembering. */
const DICTIONARY = 32;

/** Children of a node that are compared byte by byte; the others are found by their text. */
const TRIED = 4;

/** Dates reach that many milliseconds from 1970. */
const DATE_MS_MAX = 8.64e15;

/**
 * A key at its place in maps: what came after it before is what is looked for first. So a key whose map has been seen is
 * compared once, and its text is never made again.
 */
class Node {
  constructor(key, bytes) {
    this.key = key;
    this.bytes = bytes;
    // Assigning would call a setter, or fail where the prototype is frozen.
    this.isInherited = key in Object.prototype;
    this.children = [];
    // Of the last key of a map: how often it was met, and what makes such maps at once.
    this.met = 0;
    this.make = undefined;
  }
}

/** Maps of one shape that are made by assigning before a function is made that makes them at once. */
const MET_MIN = 200;

/** Such functions, at most. */
const MAKERS_MAX = 256;

let makers = 0;

/**
 * A function that makes maps with these keys of `values`, from the one at `base` on: an object literal, which defines
 * every property, also one called `__proto__`. None where code must not be made of text.
 */
function maker(keys) {
  if (makers++ >= MAKERS_MAX) return undefined;
  const members = keys.map((key, i) => `[${JSON.stringify(key)}]: values[base + ${i}]`);
  try {
    return new Function('values', 'base', `return { ${members.join(', ')} };`);
  } catch {
    return undefined;
  }
}

let root = new Node('', new Uint8Array(0));
let nodes = 0;

// What is being decoded. Nothing in here runs code of the caller's.
let bytes;
let view;
let at = 0;
let wrapsFloats = false;

// Keys and values of the maps that are being read, outer ones first.
const keys = [];
const values = [];
let depth = 0;

/**
 * The value whose canonical encoding begins at `start`. It must have been found canonical.
 * With `wrapFloats` a float that is whole is a `Float`.
 */
function decode(buffer, start, wrapFloats) {
  bytes = buffer;
  view = undefined;
  at = start;
  wrapsFloats = wrapFloats;
  try {
    return read();
  } finally {
    bytes = undefined;
    view = undefined;
    depth = 0;
    // What was read must not be kept alive from here.
    values.fill(null);
  }
}

function numbers() {
  return (view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
}

function read() {
  const tag = bytes[at++];
  if (tag < 0x80) return tag;
  if (tag < 0x90) return readMap(tag & 0x0f);
  if (tag < 0xa0) return readArray(tag & 0x0f);
  if (tag < 0xc0) return readText(tag & 0x1f);
  if (tag >= 0xe0) return tag - 0x100;
  switch (tag) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
      return readBytes(bytes[at++]);
    case 0xc5:
      return readBytes(u16());
    case 0xc6:
      return readBytes(u32());
    case 0xc7:
      return readExtension(bytes[at++]);
    case 0xc8:
      return readExtension(u16());
    case 0xc9:
      return readExtension(u32());
    case 0xcb:
      return readFloat();
    case 0xcc:
      return bytes[at++];
    case 0xcd:
      return u16();
    case 0xce:
      return u32();
    case 0xcf:
      return readWide(numbers().getBigUint64(at), u32());
    case 0xd0:
      return (bytes[at++] << 24) >> 24;
    case 0xd1:
      return (u16() << 16) >> 16;
    case 0xd2:
      return u32() | 0;
    case 0xd3:
      return readWide(numbers().getBigInt64(at), u32() | 0);
    case 0xd6:
      return readExtension(4);
    case 0xd7:
      return readExtension(8);
    case 0xd8:
      return readExtension(16);
    case 0xd9:
      return readText(bytes[at++]);
    case 0xda:
      return readText(u16());
    case 0xdb:
      return readText(u32());
    case 0xdc:
      return readArray(u16());
    case 0xdd:
      return readArray(u32());
    case 0xde:
      return readMap(u16());
    default:
      return readMap(u32());
  }
}

function u16() {
  const value = (bytes[at] << 8) | bytes[at + 1];
  at += 2;
  return value;
}

function u32() {
  const value = ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
  at += 4;
  return value;
}

/** A number of 64 bits: its upper half has been read already. */
function readWide(exact, upper) {
  const near = upper * 0x100000000 + u32();
  return Number.isSafeInteger(near) ? near : exact;
}

/** Eight bytes and the number they are: cheaper than a view of each buffer. */
const eight = new Uint8Array(8);
const double = new Float64Array(eight.buffer);
const isLittle = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function readFloat() {
  if (isLittle) for (let i = 0; i < 8; i++) eight[7 - i] = bytes[at + i];
  else for (let i = 0; i < 8; i++) eight[i] = bytes[at + i];
  const value = double[0];
  at += 8;
  return wrapsFloats && Number.isInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
}

function readText(length) {
  const start = at;
  at += length;
  if (length <= 16) {
    const text = ascii(start, length);
    if (text !== undefined) return text;
  }
  return bytes.utf8Slice(start, at);
}

const { fromCharCode } = String;

/** A short text, if it is ASCII. */
function ascii(start, length) {
  if (length === 0) return '';
  let all = 0;
  for (let i = start; i < at; i++) all |= bytes[i];
  if (all >= 0x80) return undefined;
  const b = bytes;
  const s = start;
  switch (length) {
    case 1:
      return fromCharCode(b[s]);
    case 2:
      return fromCharCode(b[s], b[s + 1]);
    case 3:
      return fromCharCode(b[s], b[s + 1], b[s + 2]);
    case 4:
      return fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3]);
    case 5:
      return fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4]);
    case 6:
      return fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5]);
    case 7:
      return fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5], b[s + 6]);
    case 8:
      return fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5], b[s + 6], b[s + 7]);
    case 9:
      return fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5], b[s + 6], b[s + 7], b[s + 8]);
    case 10:
      return fromCharCode(
        b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4],
        b[s + 5], b[s + 6], b[s + 7], b[s + 8], b[s + 9],
      );
    case 11:
      return fromCharCode(
        b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5],
        b[s + 6], b[s + 7], b[s + 8], b[s + 9], b[s + 10],
      );
    case 12:
      return fromCharCode(
        b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5],
        b[s + 6], b[s + 7], b[s + 8], b[s + 9], b[s + 10], b[s + 11],
      );
    case 13:
      return fromCharCode(
        b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5], b[s + 6],
        b[s + 7], b[s + 8], b[s + 9], b[s + 10], b[s + 11], b[s + 12],
      );
    case 14:
      return fromCharCode(
        b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5], b[s + 6],
        b[s + 7], b[s + 8], b[s + 9], b[s + 10], b[s + 11], b[s + 12], b[s + 13],
      );
    case 15:
      return fromCharCode(
        b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5], b[s + 6], b[s + 7],
        b[s + 8], b[s + 9], b[s + 10], b[s + 11], b[s + 12], b[s + 13], b[s + 14],
      );
    default:
      return fromCharCode(
        b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5], b[s + 6], b[s + 7],
        b[s + 8], b[s + 9], b[s + 10], b[s + 11], b[s + 12], b[s + 13], b[s + 14], b[s + 15],
      );
  }
}

/** A copy: the buffer is used again. */
function readBytes(length) {
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(at, at + length));
  at += length;
  return copy;
}

function readArray(length) {
  const array = [];
  for (let i = 0; i < length; i++) array.push(read());
  return array;
}

function readMap(count) {
  const map = {};
  if (count > DICTIONARY) {
    for (let i = 0; i < count; i++) {
      const length = textLength();
      const key = readText(length);
      put(map, key, read(), key in Object.prototype);
    }
    return map;
  }
  let node = root;
  const base = depth;
  depth += count;
  for (let i = 0; i < count; i++) {
    node = follow(node, textLength());
    keys[base + i] = node;
    values[base + i] = read();
  }
  depth = base;
  if (node.make !== undefined) return node.make(values, base);
  if (count > 0 && ++node.met === MET_MIN) {
    node.make = maker(keys.slice(base, base + count).map((known) => known.key));
  }
  for (let i = 0; i < count; i++) put(map, keys[base + i].key, values[base + i], keys[base + i].isInherited);
  return map;
}

function put(map, key, value, isInherited) {
  if (isInherited) {
    Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
  } else map[key] = value;
}

function textLength() {
  const tag = bytes[at++];
  if (tag < 0xc0) return tag & 0x1f;
  if (tag === 0xd9) return bytes[at++];
  return tag === 0xda ? u16() : u32();
}

/** The node of the key that begins here. */
function follow(parent, length) {
  const { children } = parent;
  const tried = children.length < TRIED ? children.length : TRIED;
  for (let i = 0; i < tried; i++) {
    const child = children[i];
    const known = child.bytes;
    if (known.length !== length) continue;
    let j = 0;
    while (j < length && known[j] === bytes[at + j]) j++;
    if (j === length) {
      at += length;
      return child;
    }
  }
  return followSlowly(parent, length);
}

function followSlowly(parent, length) {
  const start = at;
  const key = readText(length);
  const { children } = parent;
  const place = children.findIndex((child) => child.key === key);
  if (place >= 0) {
    const [child] = children.splice(place, 1);
    children.unshift(child);
    return child;
  }
  const node = new Node(key, Uint8Array.prototype.slice.call(bytes, start, at));
  if (nodes >= NODES_MAX) {
    root = new Node('', new Uint8Array(0));
    nodes = 0;
  }
  nodes++;
  if (children.length < 64) children.unshift(node);
  return node;
}

function readExtension(length) {
  const type = bytes[at++];
  return type === 1 ? readVector(length) : readTimestamp(length);
}

function readVector(length) {
  const vector = new Float32Array(length / 4);
  const source = numbers();
  for (let i = 0; i < vector.length; i++) vector[i] = source.getFloat32(at + 4 * i, true);
  at += length;
  return vector;
}

function readTimestamp(length) {
  let seconds;
  let nanoseconds = 0;
  if (length === 4) seconds = BigInt(u32());
  else if (length === 8) {
    const packed = numbers().getBigUint64(at);
    at += 8;
    seconds = packed & 0x3ffffffffn;
    nanoseconds = Number(packed >> 34n);
  } else {
    nanoseconds = u32();
    seconds = numbers().getBigInt64(at);
    at += 8;
  }
  const ms = Number(seconds) * 1000 + nanoseconds / 1_000_000;
  const isDate = nanoseconds % 1_000_000 === 0 && Math.abs(ms) <= DATE_MS_MAX;
  return isDate ? new Date(ms) : new Timestamp(seconds, nanoseconds);
}

module.exports = { decode };
