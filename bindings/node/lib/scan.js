'use strict';

const native = require('./native.js');
const { read, readKey } = require('./answer.js');
const { decode } = require('./decode.js');
const { byNumber, fail, invalid, translated } = require('./errors.js');
const { Waiter, register, mailbox } = require('./mailbox.js');

const ERROR = 255;

const cancelled = (signal) => fail('Cancelled', 'the iteration was stopped', { cause: signal.reason });

/** The rows of one page, and the place among them. */
class Page {
  at = 1;
  rows = 0;

  constructor(bytes, number) {
    this.number = number;
    this.bytes = bytes;
    this.isLast = bytes[0] === 1;
  }
}

const NOTHING = Buffer.of(0);
const ENDED = Buffer.of(1);

/** What both kinds of iterators share: reading rows off pages. */
class Rows {
  scan;
  #page = new Page(NOTHING, 0);
  #pick;
  #wrapFloats;
  #start;
  #ended;

  constructor(handle, pick, options, wrapFloats) {
    const { prefix, limit, cursor = '' } = options;
    if (prefix !== undefined && (typeof prefix !== 'string' || !prefix.isWellFormed())) {
      throw invalid('prefix is a string of valid Unicode');
    }
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
      throw invalid('limit is a whole number, 0 or more');
    }
    if (typeof cursor !== 'string') throw invalid('cursor is a string');
    this.#pick = pick;
    this.#wrapFloats = wrapFloats;
    this.#start = cursor;
    try {
      this.scan = native.scan(handle, pick !== 'key', prefix, limit, cursor);
    } catch (error) {
      throw translated(error);
    }
  }

  /** Whether a page must be had before `next`. */
  get needsPage() {
    return !this.#page.isLast && this.#page.at >= this.#page.bytes.length;
  }

  take(bytes) {
    this.#page = new Page(bytes, this.#page.number + 1);
  }

  end() {
    this.#ended ??= this.cursor;
    this.#page = new Page(ENDED, 0);
  }

  next() {
    const page = this.#page;
    const { bytes } = page;
    if (page.at >= bytes.length) return { value: undefined, done: true };
    const start = page.at + 4;
    const end = start + bytes.readUInt32LE(page.at);
    page.at = end;
    page.rows++;
    if (bytes[start] === ERROR) throw byNumber(bytes.readUInt16LE(start + 1), bytes.utf8Slice(start + 3, end));
    const valueAt = start + 5 + bytes.readUInt32LE(start + 1);
    if (this.#pick === 'key') return { value: readKey(bytes, start, valueAt), done: false };
    const value = decode(bytes, valueAt, this.#wrapFloats);
    return { value: this.#pick === 'value' ? value : [readKey(bytes, start, valueAt), value], done: false };
  }

  get cursor() {
    if (this.#ended !== undefined) return this.#ended;
    const { number, rows } = this.#page;
    return number === 0 ? this.#start : native.scanCursor(this.scan, number, rows);
  }
}

/** Iterates here and now. See `Scan` in `index.d.ts`. */
class SyncScan {
  #rows;

  constructor(...given) {
    this.#rows = new Rows(...given);
  }

  [Symbol.iterator]() {
    return this;
  }

  next() {
    while (this.#rows.needsPage) this.#rows.take(native.scanPage(this.#rows.scan));
    return this.#rows.next();
  }

  return(value) {
    this.#rows.end();
    return { value, done: true };
  }

  get cursor() {
    return this.#rows.cursor;
  }
}

/** Iterates with pages that are read in the background. See `AsyncScan` in `index.d.ts`. */
class AsyncScan {
  #rows;
  #signal;
  #ready;
  #turn = Promise.resolve();

  constructor(handle, pick, options, wrapFloats, ready) {
    this.#rows = new Rows(handle, pick, options, wrapFloats);
    this.#signal = options.signal;
    this.#ready = ready;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** Calls that come before the answer to the last one take their turn. */
  next() {
    const turn = this.#turn.then(() => this.#next());
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #next() {
    if (this.#signal?.aborted) {
      this.#rows.end();
      throw cancelled(this.#signal);
    }
    if (this.#ready !== undefined) {
      await this.#ready;
      this.#ready = undefined;
    }
    while (this.#rows.needsPage) {
      this.#rows.take(await page(this.#rows.scan, this.#signal));
    }
    return this.#rows.next();
  }

  async return(value) {
    this.#rows.end();
    return { value, done: true };
  }

  get cursor() {
    return this.#rows.cursor;
  }
}

/** The next page of an iteration, unless it is stopped before. */
function page(scan, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(cancelled(signal));
    signal?.addEventListener('abort', stop, { once: true });
    const settle = (bytes, start, end) => {
      signal?.removeEventListener('abort', stop);
      if (bytes[start] === ERROR) reject(read(bytes, start, end, false));
      else resolve(Buffer.from(bytes.subarray(start + 1, end)));
    };
    native.sendScanPage(scan, mailbox(), register(new Waiter(settle)));
  });
}

module.exports = { SyncScan, AsyncScan };
