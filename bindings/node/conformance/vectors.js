'use strict';

const native = require('../lib/native.js');
const { decode } = require('../lib/decode.js');
const { encode } = require('../lib/encode.js');
const { fail } = require('../lib/errors.js');
const { writeKey } = require('../lib/request.js');
const { Writer } = require('../lib/writer.js');
const { elements, members } = require('./json.js');
const { fromJson, refused, toJson } = require('./script.js');

const bytesOf = (hex) => Buffer.from(hex, 'hex');

function encoded(value) {
  const writer = new Writer();
  encode(writer, value);
  return Buffer.from(writer.bytes.subarray(0, writer.at)).toString('hex');
}

/** The value of a body, which the engine has found canonical before the package decodes it. */
function decoded(hex) {
  const body = bytesOf(hex);
  native.valueToInterchange(body);
  return toJson(decode(body, 0, true));
}

const INPUTS = {
  text: (input) => {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(input));
    } catch (cause) {
      throw fail('InvalidKey', 'the text is not UTF-8', { cause });
    }
  },
  integer: BigInt,
  float: (input) => bytesOf(input).readDoubleBE(),
  bytes: bytesOf,
};

/** Members of what a record holds. */
const factsOf = ({ flags, expiresAt, idleUs, body }) =>
  `"flags":${flags},"expires_at":${expiresAt ?? null},"idle_us":${idleUs ?? null},"body":"${body.toString('hex')}"`;

const KINDS = {
  keys: (given) => {
    const writer = new Writer();
    writeKey(writer, INPUTS[JSON.parse(given.get('type'))](JSON.parse(given.get('input'))));
    const { key, ...facts } = native.keyFacts(writer.bytes.subarray(0, writer.at));
    return `{"key":${key},${JSON.stringify(facts).slice(1)}`;
  },
  values_valid: (given) =>
    `{"encoded":"${encoded(fromJson(given.get('value')))}","value":${decoded(JSON.parse(given.get('encoded')))}}`,
  values_invalid: (given) => `{"value":${decoded(JSON.parse(given.get('encoded')))}}`,
  crc: (given) => `{"crc":"${native.crc(bytesOf(JSON.parse(given.get('data')))).toString(16).padStart(8, '0')}"}`,
  records: (given) => {
    const columns = [given.get('timestamp'), given.get('microsecond')];
    const [hash, record] = ['key_hash', 'record'].map((name) => bytesOf(JSON.parse(given.get(name))));
    return `{${factsOf(native.recordFacts(hash, ...columns, record))}}`;
  },
  sealed: (given) => {
    const text = (name) => JSON.parse(given.get(name));
    const bytes = (name) => bytesOf(text(name));
    const { key, facts } = native.openSealed({
      keyring: bytes('keyring'),
      encryptionKey: bytes('encryption_key'),
      bucket: text('bucket'),
      shard: text('shard'),
      slot: text('slot'),
      keyHash: bytes('key_hash'),
      keyColumn: bytes('key_column'),
      timestamp: given.get('timestamp'),
      microsecond: given.get('microsecond'),
      record: bytes('record'),
    });
    return `{"key":${key},${factsOf(facts)}}`;
  },
  interchange: (given) => `{"encoded":"${encoded(fromJson(JSON.parse(given.get('json'))))}"}`,
};

/** Prints what the package says to each case. */
function run(text, print) {
  const file = members(text);
  const answer = KINDS[JSON.parse(file.get('kind'))];
  for (const text of elements(file.get('cases'))) {
    const given = members(text);
    let result;
    try {
      result = answer(given);
    } catch (error) {
      result = refused(error);
    }
    print(`{"id":${given.get('id')},"result":${result}}`);
  }
}

module.exports = { run };
