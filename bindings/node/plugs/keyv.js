'use strict';

const { EventEmitter } = require('node:events');
const { clear, stashOf } = require('./common.js');

/** What both contracts share. Values are stored as Keyv gives them. */
class Adapter extends EventEmitter {
  #prefix;

  constructor(stash, options = {}) {
    super();
    const { prefix = '', namespace } = options;
    this.stash = stashOf(stash);
    // Keyv 5 iterates over the stores whose dialect it knows. The files are SQLite's.
    this.opts = { ...options, dialect: 'sqlite', url: `litestash:${this.stash.path ?? ''}` };
    this.namespace = namespace;
    this.#prefix = prefix;
  }

  /** The key in the stash. */
  _key(key) {
    return this.#prefix + key;
  }

  /** What the keys of a namespace begin with. */
  _prefix(namespace) {
    return this.#prefix + (namespace ? `${namespace}:` : '');
  }

  get(key) {
    return this.stash.get(this._key(key));
  }

  getMany(keys) {
    return this.stash.getMany(keys.map((key) => this._key(key)));
  }

  has(key) {
    return this.stash.exists(this._key(key));
  }

  async hasMany(keys) {
    const found = await this.stash.apply(keys.map((key) => ({ op: 'exists', key: this._key(key) })));
    return found.map(({ value }) => value === true);
  }

  delete(key) {
    return this.stash.delete(this._key(key));
  }

  async clear() {
    await clear(this.stash, this._prefix(this.namespace));
  }

  async *_entries(prefix, cut) {
    for await (const [key, value] of this.stash.items({ prefix })) yield [key.slice(cut), value];
  }

  async disconnect() {
    await this.stash.close();
  }
}

/** A store for Keyv 5: its times are relative, and it prefixes keys itself. */
class KeyvLiteStash5 extends Adapter {
  async set(key, value, ttl) {
    await this.stash.set(this._key(key), value, { ttl: ttl || undefined });
    return true;
  }

  async setMany(entries) {
    const set = ({ key, value, ttl }) => ({ op: 'set', key: this._key(key), value, ttl: ttl || undefined });
    const done = await this.stash.apply(entries.map(set));
    return done.map(({ status }) => status === 'fulfilled');
  }

  async deleteMany(keys) {
    const deleted = await this.stash.deleteMany(keys.map((key) => this._key(key)));
    return deleted.some(Boolean);
  }

  iterator(namespace) {
    return this._entries(this._prefix(namespace), this._prefix('').length);
  }
}

/** A storage adapter for Keyv 6: its times are absolute, and namespaces are the adapter's. */
class KeyvLiteStash extends Adapter {
  capabilities = { expires: true };

  _key(key) {
    return this._prefix(this.namespace) + key;
  }

  async set(key, value, expires) {
    await this.stash.set(this._key(key), value, { expiresAt: expires });
    return true;
  }

  async setMany(entries) {
    const set = ({ key, value, expires }) => ({ op: 'set', key: this._key(key), value, expiresAt: expires });
    const done = await this.stash.apply(entries.map(set));
    return done.map(({ status }) => status === 'fulfilled');
  }

  deleteMany(keys) {
    return this.stash.deleteMany(keys.map((key) => this._key(key)));
  }

  iterator() {
    const prefix = this._prefix(this.namespace);
    return this._entries(prefix, prefix.length);
  }
}

module.exports = { KeyvLiteStash, KeyvLiteStash5 };
