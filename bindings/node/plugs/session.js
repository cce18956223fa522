'use strict';

const { Store } = require('express-session');
const { Sessions } = require('./sessions.js');

/** A store for express-session. */
class LiteStashStore extends Store {
  #sessions;

  constructor(options) {
    super(options);
    this.#sessions = new Sessions(options);
    this.stash = this.#sessions.stash;
  }

  get(id, callback) {
    this.#sessions.get(id, callback);
  }

  set(id, session, callback) {
    this.#sessions.set(id, session, callback);
  }

  destroy(id, callback) {
    this.#sessions.destroy(id, callback);
  }

  touch(id, session, callback) {
    this.#sessions.touch(id, session, callback);
  }

  all(callback) {
    this.#sessions.all(callback);
  }

  length(callback) {
    this.#sessions.length(callback);
  }

  clear(callback) {
    this.#sessions.clear(callback);
  }
}

module.exports = { LiteStashStore };
