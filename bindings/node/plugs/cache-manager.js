'use strict';

const { KeyvLiteStash5 } = require('./keyv.js');

/**
 * A store for cache-manager: what its `stores` take, wrapped in a Keyv. Values go in as they are, for a stash holds more
 * than JSON.
 */
function litestashStore(Keyv, stash, options = {}) {
  const { ttl, namespace, ...own } = options;
  return new Keyv({
    store: new KeyvLiteStash5(stash, own),
    ttl,
    namespace,
    useKeyPrefix: namespace !== undefined,
    serialize: ({ value, expires }) => (expires === undefined ? { value } : { value, expires }),
    deserialize: (stored) => stored,
  });
}

module.exports = { litestashStore };
