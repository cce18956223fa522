'use strict';

/* The native part: a file beside this package if it was built here, else the package for this platform. */

const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { packages, nameOf } = require('./platform.js');

function load() {
  const name = nameOf(process);
  const kind = process.env.LITESTASH_TESTING ? 'testing' : 'litestash';
  const local = join(__dirname, '..', `${kind}.${name}.node`);
  if (existsSync(local)) return require(local);
  if (!packages.includes(name)) {
    throw new Error(`litestash has no native part for ${name}; with Rust installed, \`npm run build\` in its folder makes one`);
  }
  try {
    return require(`@litestash/${name}`);
  } catch (cause) {
    const hint =
      `litestash found no native part for ${name}. The package @litestash/${name} is an optional dependency: install ` +
      'without --omit=optional, or, with Rust installed, run `npm run build` in the folder of litestash';
    throw new Error(hint, { cause });
  }
}

module.exports = load();
