'use strict';

// The native part with what only tests need.
process.env.LITESTASH_TESTING ??= '1';

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { spawn } = require('node:child_process');
const { LiteStash } = require('..');

/** A folder that is gone after the test. */
function folder(t) {
  const made = mkdtempSync(join(tmpdir(), 'litestash-test-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A stash of its own for a test. */
async function opened(t, options) {
  const stash = await LiteStash.open(join(folder(t), 'stash'), options);
  t.after(() => stash.close());
  return stash;
}

/** Another process that runs a function of this file's folder's neighbours: `(require, ...given) => …`. */
function child(fn, ...given) {
  const code = `(${fn})(require, ...${JSON.stringify(given)})`;
  return spawn(process.execPath, ['--eval', code], { cwd: join(__dirname, '..'), stdio: ['pipe', 'pipe', 'inherit'] });
}

/** What a process printed, and how it ended. */
function ended(running) {
  return new Promise((resolve) => {
    let text = '';
    running.stdout.on('data', (data) => (text += data));
    running.on('close', (code, signal) => resolve({ text, code, signal }));
  });
}

/** The first line a process prints. */
function firstLine(running) {
  return new Promise((resolve) => running.stdout.once('data', (data) => resolve(String(data).trim())));
}

module.exports = { folder, opened, child, ended, firstLine };
