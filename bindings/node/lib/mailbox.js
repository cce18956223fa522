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

/** Notes who waits for an answer: `settle(bytes, start, end)` is called once. Answers with its number. */
function register(settle) {
  hold();
  return listen(settle);
}

/** Notes who hears of events, which hold no process open: `settle` is called for each, and once more at their end. */
function listen(settle) {
  const id = free.length > 0 ? free.pop() : waiting.length;
  waiting[id] = settle;
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
    const settle = waiting[id];
    if (settle.hearsEvents) {
      if (bytes[begin] !== EVENT) unlist(id);
    } else forget(id);
    settle(bytes, begin, at);
  }
}

/** A promise of what `start(id)` brings about; `take` makes something of the answer. */
function ask(start, take = (answer) => answer, wrapFloats = false) {
  return new Promise((resolve, reject) => {
    const id = register((bytes, begin, end) => {
      try {
        const answer = read(bytes, begin, end, wrapFloats);
        if (answer instanceof LiteStashError) reject(answer);
        else resolve(take(answer, id));
      } catch (error) {
        reject(translated(error));
      }
    });
    try {
      start(id);
    } catch (error) {
      forget(id);
      reject(translated(error));
    }
  });
}

module.exports = { mailbox, register, listen, hold, release, ask };
