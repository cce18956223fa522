'use strict';

const timers = require('node:timers');
const native = require('./native.js');
const { EVENT, read } = require('./answer.js');
const { translated, LiteStashError } = require('./errors.js');

/** Answers that are given out before the event loop gets its turn. */
const ANSWERS_AT_ONCE = 500;

/** Who waits for an answer, by its number; numbers are used again. */
const waiting = [];
const free = [];
let count = 0;

let box;
/** Holds the process open while somebody waits, and only then. */
let keeper;

/** Who waits: `settle(bytes, start, end)` is called with the answer. */
class Waiter {
  constructor(settle) {
    if (settle !== undefined) this.settle = settle;
  }

  /** Whether there may be more before the answer. */
  get hearsEvents() {
    return false;
  }
}

/** Who hears of events: `settle` is called for each, and once more at their end. */
class Hearer extends Waiter {
  get hearsEvents() {
    return true;
  }
}

/** Notes who waits for an answer. Answers with its number. */
function register(waiter) {
  hold();
  return enlist(waiter);
}

/** Notes who hears of events, which hold no process open. */
function listen(settle) {
  return enlist(new Hearer(settle));
}

function enlist(waiter) {
  const id = free.length > 0 ? free.pop() : waiting.length;
  waiting[id] = waiter;
  return id;
}

/** Holds the process open, until as many calls of `release`. */
function hold() {
  if (count++ > 0) return;
  box ??= native.mailbox(deliver);
  keeper ??= timers.setInterval(() => {}, 0x7fffffff);
  keeper.ref();
}

function release() {
  if (--count === 0) keeper.unref();
}

function unlist(id) {
  waiting[id] = undefined;
  free.push(id);
}

function forget(id) {
  unlist(id);
  release();
}

const mailbox = () => (box ??= native.mailbox(deliver));

function deliver() {
  const bytes = native.drain(box);
  if (bytes.length > 0) giveOut(bytes, 0);
}

function giveOut(bytes, start) {
  let at = start;
  for (let given = 0; at < bytes.length; given++) {
    if (given === ANSWERS_AT_ONCE) {
      timers.setImmediate(giveOut, bytes, at);
      return;
    }
    const id = bytes.readUInt32LE(at);
    const begin = at + 8;
    at = begin + bytes.readUInt32LE(at + 4);
    const waiter = waiting[id];
    if (waiter.hearsEvents) {
      if (bytes[begin] !== EVENT) unlist(id);
    } else forget(id);
    waiter.settle(bytes, begin, at);
  }
}

/** A promise of what `start(id)` brings about; `take` makes something of the answer. */
function ask(start, take = (answer) => answer, wrapFloats = false) {
  return new Promise((resolve, reject) => {
    const settle = (bytes, begin, end) => {
      try {
        const answer = read(bytes, begin, end, wrapFloats);
        if (answer instanceof LiteStashError) reject(answer);
        else resolve(take(answer, id));
      } catch (error) {
        reject(translated(error));
      }
    };
    const id = register(new Waiter(settle));
    try {
      start(id);
    } catch (error) {
      forget(id);
      reject(translated(error));
    }
  });
}

module.exports = { Waiter, mailbox, register, listen, hold, release, ask };
