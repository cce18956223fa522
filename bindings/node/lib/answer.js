'use strict';

const { byNumber, fail } = require('./errors.js');
const { decode } = require('./decode.js');
const { Entry } = require('./values.js');

// The tags of src/answer.rs.
const MISSING = 0;
const VALUE = 1;
const FALSE = 2;
const TRUE = 3;
const ENTRY = 4;
const VERSION = 5;
const NO_VERSION = 6;
const INT = 7;
const FLOAT = 8;
const NO_DEADLINE = 9;
const DEADLINE = 10;
const LIST = 11;
const UNKNOWN = 12;
const DONE = 13;
const COMMITTED = 14;
const REFUSED = 15;
const EVENT = 16;
const MINE_TAG = 17;
const ELSEWHERE_TAG = 18;
const ERROR = 255;

/** What a look into memory answers with where only the files can tell. */
const ASK = Symbol('ask the files');

/** It is the caller's turn to compute a value; somebody else computes it. */
const MINE = Symbol('the turn to compute');
const ELSEWHERE = Symbol('somebody else computes');

const narrow = (int) => {
  const near = Number(int);
  return Number.isSafeInteger(near) ? near : int;
};

/** What an answer from `start` to `end` stands for. An error is returned, not thrown, for lists have them. */
function read(bytes, start, end, wrapFloats) {
  switch (bytes[start]) {
    case VALUE:
      return decode(bytes, start + 1, wrapFloats);
    case MISSING:
    case NO_VERSION:
      return undefined;
    case FALSE:
      return false;
    case TRUE:
      return true;
    case VERSION:
    case DEADLINE:
      return bytes.readBigInt64LE(start + 1);
    case NO_DEADLINE:
      return null;
    case INT:
      return narrow(bytes.readBigInt64LE(start + 1));
    case FLOAT: {
      const sum = bytes.readDoubleLE(start + 1);
      return sum;
    }
    case ENTRY: {
      const has = bytes[start + 9];
      const expiresAt = has & 1 ? bytes.readBigInt64LE(start + 10) : null;
      const idle = has & 2 ? bytes.readBigInt64LE(start + 18) : null;
      const value = decode(bytes, start + 26, wrapFloats);
      return new Entry(value, bytes.readBigInt64LE(start + 1), expiresAt, end - start - 26, idle);
    }
    case LIST:
      return readList(bytes, start + 1, wrapFloats);
    case UNKNOWN:
      return ASK;
    case DONE:
      return undefined;
    case COMMITTED:
      return { committed: true, results: readList(bytes, start + 2, wrapFloats) };
    case REFUSED:
      return { committed: false, index: bytes.readUInt32LE(start + 1) };
    case MINE_TAG:
      return MINE;
    case ELSEWHERE_TAG:
      return ELSEWHERE;
    case ERROR:
      return byNumber(bytes.readUInt16LE(start + 1), bytes.utf8Slice(start + 3, end));
    default:
      return fail('Internal', 'the native part answered with something unknown');
  }
}

function readList(bytes, start, wrapFloats) {
  const count = bytes.readUInt32LE(start);
  const answers = [];
  let at = start + 4;
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32LE(at);
    answers.push(read(bytes, at + 4, at + 4 + length, wrapFloats));
    at += 4 + length;
  }
  return answers;
}

/** A key, which stands from `start` to `end` as in a request. */
function readKey(bytes, start, end) {
  const at = start + 5;
  switch (bytes[start]) {
    case 0:
      return bytes.utf8Slice(at, end);
    case 1:
      return narrow(bytes.readBigInt64LE(at));
    case 2:
      return bytes.readDoubleLE(at);
    default:
      return new Uint8Array(bytes.subarray(at, end));
  }
}

module.exports = { read, readKey, ASK, EVENT, MINE, ELSEWHERE };
