'use strict';

const { fileURLToPath } = require('node:url');
const { types } = require('node:util');
const native = require('./native.js');
const { read } = require('./answer.js');
const { LiteStashError, fail, invalid, translated } = require('./errors.js');
const { ask, mailbox } = require('./mailbox.js');

/** A path as text: a string, or a `file:` URL. */
function pathOf(given, name) {
  if (given instanceof URL) {
    if (given.protocol !== 'file:') throw invalid(`${name} is a path or a file: URL`);
    return fileURLToPath(given);
  }
  if (typeof given !== 'string' || given === '' || given.includes('\0') || !given.isWellFormed()) {
    throw invalid(`${name} is a path or a file: URL`);
  }
  return given;
}

/** A key as Node-API takes it. Whether it is one is for the engine to say. */
function keyBytes(given) {
  if (!types.isUint8Array(given)) throw invalid('a key is a Uint8Array of 32 bytes');
  return Buffer.from(given.buffer, given.byteOffset, given.byteLength);
}

function passphraseText(given) {
  if (typeof given !== 'string' || !given.isWellFormed()) throw invalid('a passphrase is a string of valid Unicode');
  return given;
}

/** A report of the engine, its members named as JavaScript names them. */
function report(value) {
  if (Array.isArray(value)) return value.map(report);
  if (typeof value !== 'object' || value === null) return value;
  const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
  const named = ([name, member]) => [camel(name), name === 'eviction' ? camel(member) : report(member)];
  return Object.fromEntries(Object.entries(value).map(named));
}

/** Does a task here. */
function runTask(handle, task) {
  let bytes;
  try {
    bytes = native.runTask(handle, task);
  } catch (error) {
    throw translated(error);
  }
  const answer = read(bytes, 0, bytes.length, false);
  if (answer instanceof LiteStashError) throw answer;
  return report(answer);
}

/** Does a task in the background, until `signal` stops it. */
async function startTask(handle, task, signal, ready) {
  const cancelled = () => fail('Cancelled', 'the caller stopped the operation', { cause: signal.reason });
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal is an AbortSignal');
  if (signal?.aborted) throw cancelled();
  await ready;
  if (signal?.aborted) throw cancelled();
  let stop;
  const onAbort = () => native.stopTask(stop);
  try {
    return await ask((id) => {
      stop = native.startTask(handle, mailbox(), id, task);
      signal?.addEventListener('abort', onAbort, { once: true });
    }, report);
  } catch (error) {
    throw error.code === 'Cancelled' && signal?.aborted ? cancelled() : error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

module.exports = { keyBytes, passphraseText, pathOf, runTask, startTask };
