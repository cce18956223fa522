'use strict';

const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const { readFileSync, readdirSync, renameSync, writeFileSync, copyFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { folder } = require('./help.js');
const litestash = require('..');
const { stage } = require('../scripts/packages.js');
const { nameOf, packages } = require('../lib/platform.js');

const ROOT = join(__dirname, '..');
const npm = (cwd, ...given) => execFileSync('npm', given, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

test('ESM and CommonJS give the same things', async () => {
  const imported = await import('litestash');
  assert.deepEqual(Object.keys(imported).filter((name) => name !== 'default').sort(), Object.keys(litestash).sort());
  for (const [name, value] of Object.entries(litestash)) assert.equal(imported[name], value, name);
  assert.equal(imported.default, litestash);
});

test('what is there is declared, and what is declared is there', () => {
  const declared = readFileSync(join(ROOT, 'index.d.ts'), 'utf8');
  const body = declared.slice(declared.indexOf('export class LiteStash<'), declared.indexOf('/** A function whose results are kept in `stash`'));
  const members = new Set([...body.matchAll(/^  (?:static |readonly )*(\w+)(?=[<(:])/gm)].map(([, name]) => name));
  members.delete('constructor');
  const { prototype } = litestash.LiteStash;
  const there = new Set([...Object.getOwnPropertyNames(prototype), ...Object.getOwnPropertyNames(litestash.LiteStash)]);
  for (const name of ['constructor', 'length', 'name', 'prototype']) there.delete(name);
  const isPublic = (name) => !name.startsWith('_');
  assert.deepEqual([...members].sort(), [...there].filter(isPublic).sort());
  for (const name of Object.keys(litestash)) assert.match(declared, new RegExp(`export (class|function|const) ${name}\\b`));
});

test('every declaration says what it is for', () => {
  const lines = readFileSync(join(ROOT, 'index.d.ts'), 'utf8').split('\n');
  const nameOf = (line) => /^(?:export (?:class|interface|type|function|const) |  (?:static |readonly )*)(\[[\w.]+\]|\w+)\??[<(:;= ]/.exec(line)?.[1];
  const isSaid = (i) => lines[i - 1].endsWith('*/') || nameOf(lines[i - 1]) === nameOf(lines[i]);
  // Parameters of a function stand on lines of their own.
  const isDeclared = (i) => nameOf(lines[i]) !== undefined && !lines[i].endsWith(',') && !lines[i].includes('private constructor');
  const silent = lines.filter((_, i) => isDeclared(i) && !isSaid(i));
  assert.deepEqual(silent, []);
});

test('the packages hold what they must, and nothing else', (t) => {
  const place = folder(t);
  const missing = stage(place);
  const here = nameOf(process);
  const files = (name) => JSON.parse(npm(join(place, name), 'pack', '--dry-run', '--json'))[0].files.map(({ path }) => path).sort();
  const listed = (directory, ending) => readdirSync(join(ROOT, directory)).filter((name) => name.endsWith(ending)).map((name) => `${directory}/${name}`);
  const wanted = ['README.md', 'index.d.mts', 'index.d.ts', 'index.js', 'index.mjs', 'package.json', ...listed('lib', ''), ...listed('plugs', '')];
  assert.deepEqual(files('litestash'), wanted.sort());
  for (const name of packages) {
    const manifest = JSON.parse(readFileSync(join(place, name, 'package.json'), 'utf8'));
    assert.ok(manifest.os.length === 1 && manifest.cpu.length === 1);
    assert.equal(manifest.libc?.[0], name.endsWith('gnu') ? 'glibc' : name.endsWith('musl') ? 'musl' : undefined);
    const own = missing.includes(name) ? [] : [`litestash.${name}.node`];
    assert.deepEqual(files(name), ['README.md', ...own, 'package.json'].sort());
  }
  const manifest = JSON.parse(readFileSync(join(place, 'litestash/package.json'), 'utf8'));
  assert.deepEqual(Object.keys(manifest.optionalDependencies), packages.map((name) => `@litestash/${name}`));
  assert.ok(packages.includes(here), here);
});

test('an installed package finds its native part, or says how to get it', (t) => {
  const place = folder(t);
  const here = nameOf(process);
  stage(place);
  // The native part for tests stands in for the one that a release builds.
  const native = join(place, here, `litestash.${here}.node`);
  copyFileSync(join(ROOT, `testing.${here}.node`), native);
  const tarball = (name) => join(place, npm(join(place, name), 'pack', '--json', '--pack-destination', place) && readdirSync(place).find((file) => file.endsWith('.tgz') && file.startsWith(name === 'litestash' ? 'litestash-0' : `litestash-${name}`)));
  const app = join(place, 'app');
  execFileSync('mkdir', [app]);
  writeFileSync(join(app, 'package.json'), '{"private":true}');
  npm(app, 'install', '--offline', '--omit=optional', '--no-audit', tarball('litestash'), tarball(here));
  const run = () => {
    const code = "const { LiteStash } = require('litestash'); const s = LiteStash.memory(); s.setSync('a', 1); console.log(s.getSync('a'))";
    const env = { ...process.env, LITESTASH_TESTING: '' };
    return spawnSync(process.execPath, ['--eval', code], { cwd: app, encoding: 'utf8', env });
  };
  assert.equal(run().stdout.trim(), '1');
  renameSync(join(app, 'node_modules/@litestash', here), join(place, 'away'));
  const without = run();
  assert.notEqual(without.status, 0);
  assert.match(without.stderr, /found no native part for .*npm run build/);
});

test('the quick start of the README runs', (t) => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
  assert.ok(examples.length >= 2);
  const place = folder(t);
  for (const code of examples) {
    const file = join(ROOT, `.example-${process.pid}.mjs`);
    writeFileSync(file, code.replaceAll("'data'", JSON.stringify(place)));
    try {
      const ran = spawnSync(process.execPath, [file], { cwd: ROOT, encoding: 'utf8' });
      assert.equal(ran.status, 0, `${code}\n${ran.stderr}`);
      const expected = [...code.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map(([, shown]) => shown);
      assert.deepEqual(ran.stdout.trim().split('\n'), expected);
    } finally {
      execFileSync('rm', [file]);
    }
  }
});

test('the lock files are whole and name no host', () => {
  for (const place of ['.', 'bench', 'test/newer']) {
    assert.doesNotMatch(readFileSync(join(ROOT, place, 'package-lock.json'), 'utf8'), /"resolved"/);
    // Fails where a package is missing from it.
    npm(join(ROOT, place), 'ci', '--dry-run', '--offline', '--ignore-scripts');
  }
});
