'use strict';

// The native part with what only tests need.
process.env.LITESTASH_TESTING ??= '1';

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
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

/** What is known of the other processes: from their start, since one may have ended before a test asks. */
const known = new WeakMap();

/** Another process that runs a function of this file's folder's neighbours: `(require, ...given) => …`. */
function child(fn, ...given) {
  const code = `(${fn})(require, ...${JSON.stringify(given)})`;
  const stdio = ['pipe', 'pipe', 'inherit'];
  const running = spawn(process.execPath, ['--eval', code], { cwd: join(__dirname, '..'), stdio });
  const printed = { text: '' };
  running.stdout.on('data', (data) => (printed.text += data));
  const over = new Promise((resolve) => {
    running.on('close', (code, signal) => resolve({ text: printed.text, code, signal }));
  });
  known.set(running, { printed, over });
  return running;
}

/** What a process printed, and how it ended. */
function ended(running) {
  return known.get(running).over;
}

/** The first line a process prints. */
async function firstLine(running) {
  const { printed } = known.get(running);
  while (!printed.text.includes('\n')) await once(running.stdout, 'data');
  return printed.text.split('\n')[0].trim();
}

module.exports = { folder, opened, child, ended, firstLine };
