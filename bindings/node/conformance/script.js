'use strict';

const { LiteStash, LiteStashError } = require('..');
const native = require('../lib/native.js');
const { decode } = require('../lib/decode.js');
const { encode } = require('../lib/encode.js');
const { Writer } = require('../lib/writer.js');
const { translated } = require('../lib/errors.js');
const { elements, members } = require('./json.js');

/** The JavaScript value that JSON in the form of INTERCHANGE.md stands for. */
function fromJson(text) {
  return decode(native.valueFromInterchange(text), 0, true);
}

function keyFromJson(text) {
  return decode(native.keyFromInterchange(text), 0, false);
}

/** JSON of a value, through the package's own encoding. */
function toJson(value) {
  const writer = new Writer();
  encode(writer, value);
  return native.valueToInterchange(writer.bytes.subarray(0, writer.at));
}

const asIs = (text) => JSON.parse(text);
const micros = (text) => BigInt(text);

/** The options of an operation, as the package names them. */
function optionsOf(given) {
  const options = {};
  if (given.has('ttl_us')) options.ttl = micros(given.get('ttl_us'));
  if (given.has('idle_us')) options.idle = micros(given.get('idle_us'));
  if (given.has('expires_at')) options.expiresAt = given.get('expires_at') === 'null' ? null : micros(given.get('expires_at'));
  if (given.get('keep_ttl') === 'true') options.keepTtl = true;
  if (given.has('expected')) options.expected = fromJson(given.get('expected'));
  const condition = given.get('if');
  if (condition?.startsWith('{')) options.ifVersion = micros(members(condition).get('version'));
  else if (condition !== undefined) options[asIs(condition) === 'absent' ? 'ifAbsent' : 'ifPresent'] = true;
  return options;
}

const found = (value) => (value === undefined ? 'null' : `{"value":${toJson(value)}}`);
const version = (written) => (written === undefined ? 'null' : String(written));
const flag = String;

/** Operations on one key: `[name in the package, arguments, result]`. */
const SINGLE = {
  get: () => ['get', [], found],
  take: () => ['take', [], found],
  exists: () => ['exists', [], flag],
  delete: () => ['delete', [], flag],
  entry: () => ['entry', [], entry],
  persist: () => ['persist', [], flag],
  ttl: () => ['expiresAt', [], (at) => (at === undefined ? 'null' : `{"expires_at":${at}}`)],
  set: (given) => ['set', [fromJson(given.get('value')), optionsOf(given)], version],
  add: (given) => ['add', [fromJson(given.get('value'))], flag],
  replace: (given) => ['replace', [fromJson(given.get('value'))], flag],
  compare_and_set: (given) => {
    const expected = given.has('expected') ? fromJson(given.get('expected')) : undefined;
    return ['compareAndSet', [expected, fromJson(given.get('value'))], flag];
  },
  increment: (given) => ['increment', [micros(given.get('by'))], String],
  increment_float: (given) => ['incrementFloat', [Number(fromJson(given.get('by')))], float],
  expire: (given) => ['expire', [optionsOf(given)], flag],
  touch: () => ['touch', [], flag],
  check: (given) => ['check', [optionsOf(given)], flag],
};

function entry(row) {
  if (row === undefined) return 'null';
  const { value, version: written, expiresAtMicros, size, idleMicros } = row;
  const idle = idleMicros === null ? '' : `,"idle_us":${idleMicros}`;
  return `{"value":${toJson(value)},"version":${written},"expires_at":${expiresAtMicros},"size":${size}${idle}}`;
}

const float = (number) => {
  const { Float } = require('..');
  return toJson(new Float(number));
};

const refused = (error) => {
  const known = translated(error);
  if (!(known instanceof LiteStashError)) throw error;
  return `{"error":"${known.code}"}`;
};

const list = (results) => `[${results.join(',')}]`;

/** An operation for `apply`. */
function operation(given) {
  const [op, args, result] = SINGLE[asIs(given.get('op'))](given);
  const key = keyFromJson(given.get('key'));
  const [first, second] = args;
  const named = {
    set: () => ({ value: first, ...second }),
    add: () => ({ value: first }),
    replace: () => ({ value: first }),
    compareAndSet: () => ({ expected: first, value: second }),
    increment: () => ({ by: first }),
    incrementFloat: () => ({ by: first }),
    expire: () => first,
    check: () => first,
  };
  const shown = op === 'add' || op === 'replace' ? (done) => flag(done !== undefined) : result;
  return { op: { op, key, ...named[op]?.() }, result: shown };
}

/** Whether random bytes are counted. By promise shards are written side by side, and who draws first is left to chance. */
let isCounted = false;

const many = (stash, method, items) => (isCounted ? stash[`${method}Sync`](items) : stash[method](items));

async function apply(stash, given) {
  const planned = elements(given.get('operations')).map((text) => {
    try {
      return operation(members(text));
    } catch (error) {
      return { error };
    }
  });
  const tried = planned.filter(({ error }) => error === undefined);
  const answers = (await many(stash, 'apply', tried.map(({ op }) => op)))[Symbol.iterator]();
  return list(planned.map(({ error, result }) => {
    if (error !== undefined) return refused(error);
    const { value: { status, value, reason } } = answers.next();
    return status === 'rejected' ? refused(reason) : result(value);
  }));
}

async function transaction(stash, given) {
  const planned = elements(given.get('operations')).map((text) => operation(members(text)));
  const done = await stash.transaction(planned.map(({ op }) => op));
  if (!done.committed) return `{"refused":${done.index}}`;
  return `{"committed":${list(done.results.map((value, i) => planned[i].result(value)))}}`;
}

function scanOptions(given) {
  const options = {};
  if (given.has('prefix')) options.prefix = asIs(given.get('prefix'));
  if (given.has('limit')) options.limit = asIs(given.get('limit'));
  return options;
}

async function collect(scan, show) {
  const shown = [];
  for await (const row of scan) shown.push(show(row));
  return list(shown);
}

/** Operations on more than one key. */
const SEVERAL = {
  get_many: async (stash, given) => list((await many(stash, 'getMany', elements(given.get('keys')).map(keyFromJson))).map(found)),
  set_many: async (stash, given) => {
    const item = (text) => {
      const [key, value] = elements(text);
      return [keyFromJson(key), fromJson(value)];
    };
    return list((await many(stash, 'setMany', elements(given.get('items')).map(item))).map(version));
  },
  delete_many: async (stash, given) => list((await many(stash, 'deleteMany', elements(given.get('keys')).map(keyFromJson))).map(flag)),
  apply,
  transaction,
  keys: (stash, given) => collect(stash.keys(scanOptions(given)), keyToJson),
  values: (stash, given) => collect(stash.values(scanOptions(given)), toJson),
  items: (stash, given) => collect(stash.items(scanOptions(given)), ([key, value]) => `[${keyToJson(key)},${toJson(value)}]`),
  len: async (stash) => String(await stash.len()),
  sweep: async (stash) => {
    const { rows, hints } = await stash.sweep();
    return `{"rows":${rows},"hints":${hints}}`;
  },
  expire_older_than: async (stash, given) => {
    const prefix = given.has('prefix') ? asIs(given.get('prefix')) : undefined;
    return String(await stash.expireOlderThan(micros(given.get('age_us')), { prefix }));
  },
  rotate_key: async (stash) => String((await stash.rotateKey()).resealed),
  try_open: async (stash, given) => {
    const key = given.has('encryption_key') ? Buffer.from(asIs(given.get('encryption_key')), 'hex') : undefined;
    const second = await LiteStash.open(stash.path, { readOnly: true, encryptionKey: key });
    await second.close();
    return 'null';
  },
  buckets: async (stash) => JSON.stringify(await stash.buckets()),
  watch: async (stash, given) => {
    await stash._logChanges(micros(given.get('us')));
    return 'null';
  },
  clear: async (stash) => {
    await stash.clear();
    return 'null';
  },
};

/** A number that reads back as a float is a float key, for a whole one would be the integer. */
function keyToJson(key) {
  return toJson(key);
}

async function perform(root, text) {
  try {
    const given = members(text);
    const name = asIs(given.get('op'));
    if (name === 'drop_bucket') return flag(await root.dropBucket(asIs(given.get('bucket'))));
    const stash = given.has('bucket') ? root.bucket(asIs(given.get('bucket'))) : root;
    if (name in SEVERAL) return await SEVERAL[name](stash, given);
    const [method, args, result] = SINGLE[name](given);
    return result(await stash[method](keyFromJson(given.get('key')), ...args));
  } catch (error) {
    return refused(error);
  }
}

/** A script's options, as the package names them. */
function scriptOptions(given) {
  const options = {};
  if (given.has('default_ttl_us')) options.defaultTtl = micros(given.get('default_ttl_us'));
  if (given.has('limits')) options.limits = asIs(given.get('limits'));
  if (given.has('encryption_key')) options.encryptionKey = Buffer.from(asIs(given.get('encryption_key')), 'hex');
  if (given.has('compression')) {
    const { min_bytes: minBytes, level } = asIs(given.get('compression'));
    options.compression = { minBytes, level };
  }
  return options;
}

/** Runs a script on a new stash, and prints the result of each operation. */
async function run(text, directory, print) {
  const script = members(text);
  let clock = micros(script.get('clock'));
  const options = script.has('options') ? scriptOptions(members(script.get('options'))) : {};
  isCounted = options.encryptionKey !== undefined;
  const open = () => LiteStash.open(directory, { clock, wrapFloats: true, ...options });
  let stash = await open();
  for (const operationText of elements(script.get('operations'))) {
    const given = members(operationText);
    const name = asIs(given.get('op'));
    if (name === 'tick') {
      const us = micros(given.get('us'));
      clock += us;
      stash._advanceClock(us);
      print('null');
    } else if (name === 'reopen') {
      await stash.close();
      stash = await open();
      print('null');
    } else print(await perform(stash, operationText));
  }
  await stash.close();
}

module.exports = { run, fromJson, toJson, refused };
