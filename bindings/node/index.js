'use strict';

const { LiteStashError } = require('./lib/errors.js');
const { Entry, Float, Timestamp } = require('./lib/values.js');
const { LiteStash } = require('./lib/stash.js');
const { memoize } = require('./lib/memoize.js');
const { Watch } = require('./lib/watch.js');
const { versions } = require('./lib/native.js');
require('./lib/methods.js');

const [version, sqliteVersion] = versions();

module.exports = { LiteStash, LiteStashError, Entry, Float, Timestamp, Watch, memoize, version, sqliteVersion };
