'use strict';

const native = require('./native.js');

/** The error table: what belongs to each `code`. */
const KINDS = new Map(native.errorTable().map((kind) => [kind.name, kind]));
const BY_NUMBER = new Map([...KINDS.values()].map((kind) => [kind.number, kind]));

/** The error of every operation. See `index.d.ts`. */
class LiteStashError extends Error {
  constructor(code, message, options) {
    super(message, options);
    const kind = KINDS.get(code) ?? KINDS.get('Internal');
    this.code = kind.name;
    this.number = kind.number;
    this.retry = kind.retry;
  }
}
Object.defineProperty(LiteStashError.prototype, 'name', {
  value: 'LiteStashError',
  writable: true,
  configurable: true,
});

/** What Node-API itself throws when an argument has the wrong type. */
const WRONG_TYPES = /Expected$|^InvalidArg$/;

/** The error to throw for one that a native function threw; others pass. */
function translated(error) {
  if (error instanceof LiteStashError || typeof error?.code !== 'string') return error;
  if (KINDS.has(error.code)) return new LiteStashError(error.code, error.message);
  if (WRONG_TYPES.test(error.code)) return new LiteStashError('InvalidArgument', error.message);
  if (error.code === 'GenericFailure') return new LiteStashError('Internal', 'a panic was caught');
  return error;
}

const fail = (code, message, options) => new LiteStashError(code, message, options);
const byNumber = (number, message) => new LiteStashError(BY_NUMBER.get(number)?.name, message);
const invalid = (message) => new LiteStashError('InvalidArgument', message);

module.exports = { LiteStashError, translated, fail, byNumber, invalid, KINDS };
