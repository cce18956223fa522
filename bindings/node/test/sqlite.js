'use strict';

/* Another SQLite in the same process: Node's own where there is one, else that of better-sqlite3. */

const builtin = process.getBuiltinModule?.('node:sqlite');

const open = (file) => (builtin === undefined ? new (require('better-sqlite3'))(file) : new builtin.DatabaseSync(file));

module.exports = { name: builtin === undefined ? 'better-sqlite3' : 'node:sqlite', open };
