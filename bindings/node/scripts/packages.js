'use strict';

/*
 * The packages that are published: `node scripts/packages.js FOLDER` lays them out in FOLDER. `litestash` itself has no
 * native part and names one package per platform as optional dependencies, of which npm installs the one that fits;
 * each of those holds one file. A platform whose file was not built is left out, and named.
 */

const { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { packages } = require('../lib/platform.js');

const ROOT = join(__dirname, '..');
const MAIN = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** What only development needs. */
const DEVELOPMENT = ['devDependencies', 'scripts'];

/** The manifest of the package for a platform. */
function platformManifest(name) {
  const [os, cpu, abi] = name.split('-');
  const file = `litestash.${name}.node`;
  return {
    name: `@litestash/${name}`,
    version: MAIN.version,
    description: `The native part of litestash for ${name}`,
    license: MAIN.license,
    repository: MAIN.repository,
    engines: MAIN.engines,
    os: [os],
    cpu: [cpu],
    ...(os === 'linux' && { libc: [abi === 'musl' ? 'musl' : 'glibc'] }),
    main: file,
    files: [file],
  };
}

/** The manifest of `litestash` as it is published. */
function mainManifest() {
  const manifest = Object.fromEntries(Object.entries(MAIN).filter(([member]) => !DEVELOPMENT.includes(member)));
  manifest.optionalDependencies = Object.fromEntries(packages.map((name) => [`@litestash/${name}`, MAIN.version]));
  return manifest;
}

const write = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);

/** Lays the packages out, and answers with the platforms that are missing. */
function stage(folder) {
  const main = join(folder, 'litestash');
  mkdirSync(main, { recursive: true });
  for (const file of MAIN.files) cpSync(join(ROOT, file), join(main, file), { recursive: true });
  write(join(main, 'package.json'), mainManifest());
  const missing = [];
  for (const name of packages) {
    const { main: file, ...rest } = platformManifest(name);
    const place = join(folder, name);
    mkdirSync(place, { recursive: true });
    write(join(place, 'package.json'), { main: file, ...rest });
    writeFileSync(join(place, 'README.md'), `The native part of [litestash](${MAIN.repository.url.slice(4, -4)}) for ${name}.\n`);
    if (existsSync(join(ROOT, file))) cpSync(join(ROOT, file), join(place, file));
    else missing.push(name);
  }
  return missing;
}

if (require.main === module) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) {
    console.error('usage: node scripts/packages.js FOLDER');
    process.exit(2);
  }
  for (const name of stage(folder)) console.log(`not built: ${name}`);
}

module.exports = { stage };
