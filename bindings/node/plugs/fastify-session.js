'use strict';

const { Sessions } = require('./sessions.js');

/** A store for @fastify/session. */
class LiteStashStore {
  #sessions;

  constructor(options) {
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
}

module.exports = { LiteStashStore };
