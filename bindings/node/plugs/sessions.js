'use strict';

const { answer, clear, stashOf } = require('./common.js');

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * What the session stores share: sessions under a prefix, each with the deadline of its cookie. One whose cookie has none
 * ends when it was not used for a while.
 */
class Sessions {
  constructor({ stash, directory, prefix = 'session:', ttl = DAY_MS }) {
    this.stash = stashOf(stash ?? directory);
    this.prefix = prefix;
    this.ttl = ttl;
  }

  key(id) {
    return this.prefix + id;
  }

  /** Milliseconds that the cookie of a session has left; undefined if it does not end by itself. */
  left({ cookie } = {}) {
    const { expires, maxAge, originalMaxAge } = cookie ?? {};
    if (expires) return new Date(expires).getTime() - Date.now();
    return maxAge ?? originalMaxAge ?? undefined;
  }

  get(id, callback) {
    const found = this.stash.get(this.key(id)).then((session) => session ?? null);
    answer(found, callback);
  }

  set(id, session, callback) {
    answer(this.#store(id, session), callback);
  }

  async #store(id, session) {
    const ttl = this.left(session);
    if (ttl <= 0) return void (await this.stash.delete(this.key(id)));
    const deadline = ttl === undefined ? { idle: this.ttl } : { ttl };
    // A session has methods and getters; what belongs into a store is its JSON, by the contract of both frameworks.
    await this.stash.set(this.key(id), JSON.parse(JSON.stringify(session)), deadline);
  }

  destroy(id, callback) {
    answer(this.stash.delete(this.key(id)).then(() => undefined), callback);
  }

  touch(id, session, callback) {
    answer(this.#touch(this.key(id), this.left(session)), callback);
  }

  async #touch(key, ttl) {
    if (ttl === undefined) await this.stash.touch(key);
    else if (ttl <= 0) await this.stash.delete(key);
    else await this.stash.expire(key, ttl);
  }

  all(callback) {
    answer(this.#all(), callback);
  }

  async #all() {
    const sessions = [];
    for await (const [key, session] of this.stash.items({ prefix: this.prefix })) {
      sessions.push({ ...session, id: key.slice(this.prefix.length) });
    }
    return sessions;
  }

  length(callback) {
    answer(this.#length(), callback);
  }

  async #length() {
    let count = 0;
    for await (const _ of this.stash.keys({ prefix: this.prefix })) count++;
    return count;
  }

  clear(callback) {
    answer(clear(this.stash, this.prefix), callback);
  }
}

module.exports = { Sessions };
