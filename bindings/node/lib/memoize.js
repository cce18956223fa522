'use strict';

const { invalid } = require('./errors.js');

/** A function whose results are kept in a stash. See `index.d.ts`. */
function memoize(stash, fn, options = {}) {
  const { key = (...given) => JSON.stringify(given), prefix = `${fn.name}:`, ...setOptions } = options;
  if (typeof fn !== 'function') throw invalid('what is memoized is a function');
  if (typeof key !== 'function') throw invalid('key is a function');
  const keyOf = (given) => {
    const made = key(...given);
    return typeof made === 'string' ? prefix + made : made;
  };
  const remembered = function (...given) {
    return stash.getOrSet(keyOf(given), () => fn.apply(this, given), setOptions);
  };
  /** Forgets the result for these arguments. */
  remembered.forget = (...given) => stash.delete(keyOf(given));
  return remembered;
}

module.exports = { memoize };
