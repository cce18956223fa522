'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const vm = require('node:vm');
require('./help.js');
const { Float, LiteStash, LiteStashError, Timestamp } = require('..');

const stash = LiteStash.memory();
const through = (value) => {
  stash.setSync('k', value);
  return stash.getSync('k');
};
const size = (value) => {
  stash.setSync('k', value);
  return stash.entrySync('k').size;
};
const refused = (value, code, path) => {
  assert.throws(() => stash.setSync('refused', value), (error) => {
    assert.ok(error instanceof LiteStashError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.path, path);
    assert.ok(error.message.startsWith(`${path}: `));
    return true;
  });
  assert.equal(stash.existsSync('refused'), false);
};

test('every value reads back as it was', () => {
  const values = [
    null, true, false, 0, -0, 1, -1, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -32, -33, -128, -129,
    -32768, -32769, -(2 ** 31), -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2n ** 53n, 2n ** 63n,
    2n ** 64n - 1n, -(2n ** 63n), 0.5, 1e300, 2 ** 53 + 0.5, Infinity, -Infinity, NaN, 5e-324,
    '', 'a', 'é', '😀', 'x'.repeat(23), 'x'.repeat(24), 'x'.repeat(31), 'x'.repeat(32), 'é'.repeat(200), 'x'.repeat(70000), '\0',
    new Uint8Array(0), new Uint8Array([1, 2, 255]), new Uint8Array(300), new Uint8Array(70000),
    new Float32Array(0), new Float32Array([1, 2.5, -0]), new Float32Array(2), new Float32Array(4), new Float32Array(100),
    new Date(0), new Date(1.5e12), new Date(-1), new Date(8.64e15), new Date(-8.64e15), new Date(2 ** 34 * 1000),
    new Timestamp(5n, 1), new Timestamp(-(2n ** 63n), 999_999_999), new Timestamp(2n ** 60n),
    [], [[]], [1, 'a', null], Array.from({ length: 20 }, (_, i) => i), new Array(70000).fill(1),
    {}, { a: 1 }, { b: { c: [{}] } }, Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key${i}`, i])),
  ];
  for (const value of values) assert.deepStrictEqual(through(value), value);
  for (const value of values) assert.deepStrictEqual(through([value, { value }]), [value, { value }]);
});

test('what has another form reads back by the written rule', () => {
  assert.equal(through(5n), 5);
  assert.equal(through(BigInt(Number.MIN_SAFE_INTEGER)), Number.MIN_SAFE_INTEGER);
  assert.deepEqual(through(new Map([['b', 1], ['a', new Map()]])), { a: {}, b: 1 });
  const buffer = through(Buffer.from('abc'));
  assert.equal(buffer.constructor, Uint8Array);
  assert.deepEqual([...buffer], [97, 98, 99]);
  assert.deepEqual(through(vm.runInNewContext('({ a: [new Date(5), new Map([["k", 1]])] })')), { a: [new Date(5), { k: 1 }] });
  assert.deepEqual(through(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
  // A safe integer is an integer, any other number a float: 9 bytes.
  assert.deepEqual([size(1), size(-0), size(2 ** 53), size(1n), size(new Float(1))], [1, 9, 9, 1, 9]);
});

test('a float that is whole stays one where that is asked for', async () => {
  const exact = LiteStash.memory({ wrapFloats: true });
  exact.setSync('k', [new Float(1), 1, 1.5, -0]);
  const read = await exact.get('k');
  assert.deepEqual(read, [new Float(1), 1, 1.5, -0]);
  exact.setSync('again', read);
  assert.equal(exact.entrySync('again').size, exact.entrySync('k').size);
  assert.equal(exact.entrySync('k').size, 1 + 9 + 1 + 9 + 9);
});

test('what cannot be stored is refused with its path', () => {
  refused(undefined, 'InvalidValue', '$');
  refused({ a: [1, 2, 3, { b: undefined }] }, 'InvalidValue', '$.a[3].b');
  refused({ a: () => 1 }, 'InvalidValue', '$.a');
  refused([Symbol('s')], 'InvalidValue', '$[0]');
  refused({ [Symbol('s')]: 1 }, 'InvalidValue', '$');
  refused({ 'not a name': new (class Thing {})() }, 'InvalidValue', '$["not a name"]');
  for (const value of [/x/, new Set(), new Error('x'), Promise.resolve(), new Date(NaN), new Uint16Array(1), new DataView(new ArrayBuffer(1))]) {
    refused([value], 'InvalidValue', '$[0]');
  }
  refused(new Map([[1, 2]]), 'InvalidValue', '$');
  refused([, 1], 'InvalidValue', '$[0]'); // eslint-disable-line no-sparse-arrays
  refused({ a: '\ud800' }, 'InvalidValue', '$.a');
  refused({ a: `${'x'.repeat(50)}\udc00` }, 'InvalidValue', '$.a');
  refused({ '\ud800': 1 }, 'InvalidValue', '$');
  refused([2n ** 64n], 'InvalidValue', '$[0]');
  refused([-(2n ** 63n) - 1n], 'InvalidValue', '$[0]');
  const cycle = { list: [] };
  cycle.list.push(cycle);
  refused(cycle, 'InvalidValue', '$.list[0]');
  let deep = 1;
  for (let i = 0; i < 64; i++) deep = [deep];
  assert.deepEqual(through(deep), deep);
  refused([deep], 'TooLarge', `$${'[0]'.repeat(64)}`);
});

test('keys of prototypes are keys like others, both ways', () => {
  const text = '{"__proto__":{"polluted":1},"constructor":2,"toString":3,"hasOwnProperty":4}';
  for (let i = 0; i < 300; i++) {
    const read = through(JSON.parse(text));
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
    assert.deepEqual(Object.getOwnPropertyNames(read).sort(), ['__proto__', 'constructor', 'hasOwnProperty', 'toString']);
    assert.equal(JSON.stringify(read), '{"__proto__":{"polluted":1},"constructor":2,"hasOwnProperty":4,"toString":3}');
  }
  assert.equal({}.polluted, undefined);
  const many = JSON.parse(`{${Array.from({ length: 40 }, (_, i) => `"k${i}":${i}`).join()},"__proto__":1}`);
  assert.deepStrictEqual(through(many), many);
});

test('keys are in the order of their bytes, whatever their code units', () => {
  assert.deepEqual(Object.keys(through({ '\u{10000}': 1, '\uffff': 2, a: 3, '': 4, aa: 5 })), ['', 'a', 'aa', '\uffff', '\u{10000}']);
});

test('maps of one shape that are read often are the same as those read seldom', () => {
  for (let i = 0; i < 1000; i++) {
    const value = { id: i, inner: { id: i, list: [{ id: i }, { id: i + 1, other: null }] }, name: `n${i}` };
    assert.deepStrictEqual(through(value), value);
  }
  for (let i = 0; i < 10_000; i++) through({ [`key${i}`]: i });
  assert.deepStrictEqual(through({ id: 1, inner: {}, name: '' }), { id: 1, inner: {}, name: '' });
});

test('code of the caller that runs while a value is encoded may use the stash', async () => {
  const value = {
    get a() {
      stash.setSync('inner', 'x'.repeat(40_000));
      return stash.getSync('inner').length;
    },
    b: 'after',
  };
  assert.deepEqual(through(value), { a: 40_000, b: 'after' });
  const throwing = { get a() { throw new RangeError('mine'); } };
  assert.throws(() => stash.setSync('k', throwing), RangeError);
  await assert.rejects(stash.set('k', throwing), RangeError);
  assert.deepEqual(through({ a: 1 }), { a: 1 });
});

test('keys have one normal form', async () => {
  stash.clearSync();
  stash.setSync(1, 'one');
  assert.equal(stash.getSync(1n), 'one');
  assert.equal(stash.getSync('1'), undefined);
  stash.setSync(-0, 'zero');
  assert.equal(stash.getSync(0n), 'zero');
  stash.setSync(1.5, 'float');
  stash.setSync(new Uint8Array([1]), 'bytes');
  stash.setSync(2n ** 63n - 1n, 'large');
  stash.setSync('é'.repeat(100), 'text');
  assert.deepEqual(new Set(stash.keysSync()), new Set([1, 0, 1.5, new Uint8Array([1]), 2n ** 63n - 1n, 'é'.repeat(100)]));
  const bad = { InvalidKey: [NaN, '\ud800', `${'x'.repeat(99)}\udc00`, null, undefined, {}, true, Symbol('s'), 2n ** 63n], TooLarge: ['x'.repeat(2049), 'é'.repeat(1025), new Uint8Array(2049), 'x'.repeat(1e8)] };
  for (const [code, keys] of Object.entries(bad)) {
    for (const key of keys) {
      assert.throws(() => stash.getSync(key), { code });
      await assert.rejects(stash.get(key), { code });
      await assert.rejects(stash.set(key, 1), { code });
    }
  }
});

test('random values read back as they were', () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 0x7fffffff) % below;
  const text = () => String.fromCodePoint(...Array.from({ length: random(40) }, () => [random(128), 0x80 + random(0x700), 0x10000 + random(999)][random(3)]));
  const make = (depth) => {
    switch (random(depth > 4 ? 6 : 8)) {
      case 0: return random(2 ** 31) * (random(2) ? 1 : -1) * 2 ** random(22);
      case 1: return random(1e6) / 997;
      case 2: case 3: return text();
      case 4: return [null, true, false][random(3)];
      case 5: return new Uint8Array(random(50)).fill(random(256));
      case 6: return Array.from({ length: random(20) }, () => make(depth + 1));
      default: return Object.fromEntries(Array.from({ length: random(20) }, () => [text(), make(depth + 1)]));
    }
  };
  for (let i = 0; i < 500; i++) {
    const value = make(0);
    assert.deepStrictEqual(through(value), value);
  }
});
