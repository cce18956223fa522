'use strict';

/** Bytes of a writer that nothing large was written with. */
const SIZE = 16 << 10;

/** Writers that have grown over this are made small again. */
const KEPT_MAX = 1 << 20;

/** A buffer that grows. Native functions read requests from it and put answers into it. */
class Writer {
  constructor() {
    this.at = 0;
    this.#allocate(SIZE);
  }

  #allocate(size) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = new DataView(this.bytes.buffer);
    this.size = size;
  }

  /** Makes room for that many bytes more. */
  reserve(count) {
    if (this.at + count > this.size) this.#grow(this.at + count);
  }

  #grow(needed) {
    const old = this.bytes;
    this.#allocate(Math.max(needed, 2 * this.size));
    old.copy(this.bytes, 0, 0, this.at);
  }

  u8(value) {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  u32(value) {
    this.reserve(4);
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  i64(value) {
    this.reserve(8);
    this.view.setBigInt64(this.at, value, true);
    this.at += 8;
  }

  f64(value) {
    this.reserve(8);
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  raw(bytes) {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Leaves room for a length, which `sized` fills in. */
  beginSized() {
    this.reserve(4);
    this.at += 4;
    return this.at;
  }

  sized(start) {
    this.view.setUint32(start - 4, this.at - start, true);
  }

  shrink() {
    if (this.size > KEPT_MAX) this.#allocate(SIZE);
  }
}

/** Encoding may run code of the caller's (getters), which may use a stash: each level has a writer of its own. */
const writers = [];
let used = 0;

function acquire() {
  const writer = used < writers.length ? writers[used] : (writers[used] = new Writer());
  used++;
  writer.at = 0;
  return writer;
}

function release(writer) {
  used--;
  if (writer.size > KEPT_MAX) writer.shrink();
}

module.exports = { Writer, acquire, release };
