'use strict';

/*
 * The runner of the conformance suite for the npm package: `script`, `vectors`, `dump` and `serve`
 * (conformance/PROTOCOL.md). LITESTASH_TESTING is set, so that the native part is the one for tests: its clock can be
 * fixed.
 */

const { readFileSync, rmSync, mkdtempSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { createInterface } = require('node:readline');
const { LiteStash, LiteStashError } = require('..');
const script = require('./script.js');
const vectors = require('./vectors.js');

let lines = [];
const print = (line) => lines.push(line);

function flush() {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  lines = [];
}

/** What the arguments name cannot be used. */
class Usage extends Error {}

function textOf(file) {
  try {
    const text = readFileSync(file, 'utf8');
    JSON.parse(text);
    return text;
  } catch (cause) {
    throw new Usage(`${file} cannot be read`, { cause });
  }
}

async function dump(directory, key) {
  let stash;
  try {
    stash = await LiteStash.open(directory, { readOnly: true, clock: 0n, encryptionKey: key && Buffer.from(key, 'hex') });
  } catch (error) {
    if (error.code === 'NoStash') return;
    throw error;
  }
  const folder = mkdtempSync(join(tmpdir(), 'litestash-dump-'));
  try {
    await stash.export(join(folder, 'rows'));
    process.stdout.write(readFileSync(join(folder, 'rows')));
    await stash.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function main([command, ...given]) {
  if (command === 'script' && given.length === 2) await script.run(textOf(given[0]), given[1], print);
  else if (command === 'vectors' && given.length === 1) vectors.run(textOf(given[0]), print);
  else if (command === 'dump' && (given.length === 1 || given.length === 2)) await dump(...given);
  else if (command === 'serve' && given.length === 0) await serve();
  else throw new Usage('usage: runner.js script FILE DIR | vectors FILE | dump DIR [KEY] | serve');
}

async function serve() {
  for await (const line of createInterface({ input: process.stdin })) {
    await main(JSON.parse(line));
    print('');
    flush();
  }
}

main(process.argv.slice(2)).then(
  () => flush(),
  (error) => {
    flush();
    console.error(error instanceof LiteStashError ? `${error.code}: ${error.message}` : error);
    process.exitCode = error instanceof Usage ? 2 : 1;
  },
);
