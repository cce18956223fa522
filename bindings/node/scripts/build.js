'use strict';

/*
 * Builds the native part for this platform with cargo, beside index.js: `node scripts/build.js [--release] [--testing]`.
 * With `--testing` it has what only tests need, under a name of its own that nothing but tests loads.
 */

const { spawnSync } = require('node:child_process');
const { copyFileSync, renameSync } = require('node:fs');
const { join } = require('node:path');
const { nameOf } = require('../lib/platform.js');

const LIBRARIES = { linux: 'liblitestash_node.so', darwin: 'liblitestash_node.dylib', win32: 'litestash_node.dll' };

const folder = join(__dirname, '..');
const isRelease = process.argv.includes('--release');
const isTesting = process.argv.includes('--testing');

const given = ['build', '--locked', '--package', 'litestash-node', '--message-format', 'json-render-diagnostics'];
if (isRelease) given.push('--release');
if (isTesting) given.push('--features', 'litestash-node/testing');
const built = spawnSync('cargo', given, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28 });
if (built.error !== undefined) {
  console.error('litestash: cargo cannot be started. Building from source needs Rust and a checkout of the repository.');
  process.exit(1);
}
if (built.status !== 0) process.exit(built.status ?? 1);

const messages = built.stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
const isOurs = ({ reason, target }) => reason === 'compiler-artifact' && target.name === 'litestash_node';
const artifact = messages.find(isOurs)?.filenames.find((name) => name.endsWith(LIBRARIES[process.platform]));
if (artifact === undefined) {
  console.error('litestash: cargo built no library for this platform.');
  process.exit(1);
}
const target = join(folder, `${isTesting ? 'testing' : 'litestash'}.${nameOf(process)}.node`);
// A new file, for a process may have mapped the old one.
copyFileSync(artifact, `${target}.new`);
renameSync(`${target}.new`, target);
console.log(target);
