/* What the types must say: checked by tsc, never run. */
import litestash, { LiteStash, LiteStashError, Entry, Float, Timestamp, memoize, type Key, type StashEvent, type Version } from 'litestash';
import { KeyvLiteStash, KeyvLiteStash5 } from 'litestash/keyv';
import { litestashDriver } from 'litestash/unstorage';
import { LiteStashStore } from 'litestash/session';
import { LiteStashStore as FastifyStore } from 'litestash/fastify-session';
import { litestashStore } from 'litestash/cache-manager';
import fastifySession from '@fastify/session';
import { createCache } from 'cache-manager';
import session from 'express-session';
import { fastify } from 'fastify';
import { Keyv } from 'keyv';
import { Keyv as Keyv6 } from 'keyv6';
import { createStorage } from 'unstorage';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => undefined;

interface User {
  name: string;
  age: number;
}

const stash = await LiteStash.open<User>('data', { durability: 'full', busyTimeout: 5 });
same<typeof stash, LiteStash<User>>(true);
const user = await stash.get('a');
same<typeof user, User | undefined>(true);
const now = stash.getSync(1n);
same<typeof now, User | undefined>(true);
const version = await stash.set('a', { name: 'Ada', age: 36 }, { ttl: 5 });
same<typeof version, Version>(true);
const perhaps = await stash.set('a', { name: 'Ada', age: 36 }, { ifAbsent: true });
same<typeof perhaps, Version | undefined>(true);
// @ts-expect-error: no User
await stash.set('a', 5);
// @ts-expect-error: no key
await stash.get(null);
// @ts-expect-error: no level
await LiteStash.open('data', { durability: 'most' });
// @ts-expect-error: opened, never constructed
new LiteStash();

for await (const [key, value] of stash) {
  same<typeof key, Key>(true);
  same<typeof value, User>(true);
}
for (const key of stash.keysSync({ prefix: 'a', limit: 5 })) same<typeof key, Key>(true);
const scan = stash.values({ signal: AbortSignal.timeout(5) });
same<typeof scan.cursor, string>(true);

const entry = await stash.entry('a');
if (entry) {
  same<typeof entry, Entry<User>>(true);
  same<typeof entry.expiresAt, Date | null>(true);
}
const computed = await stash.getOrSet('a', async () => ({ name: 'Ada', age: 36 }));
same<typeof computed, User>(true);

const bucket = stash.bucket<string>('names', { defaultTtl: null, limits: { rows: 5, eviction: 'leastRecentlyUsed' } });
same<typeof bucket, LiteStash<string>>(true);
const watch = await stash.watch({ kinds: ['set'], prefix: 'a', allProcesses: true });
watch.on('set', ({ key, own }) => {
  same<typeof key, Key | undefined>(true);
  same<typeof own, boolean>(true);
});
// @ts-expect-error: no such event
watch.on('most', () => undefined);
for await (const event of watch) same<typeof event, StashEvent>(true);
const moved = await stash.transaction([{ op: 'check', key: 'a', ifPresent: true }, { op: 'touch', key: 'a' }]);
if (moved.committed) same<typeof moved.results, unknown[]>(true);
else same<typeof moved.index, number>(true);
same<Awaited<ReturnType<typeof stash.waitFor>>, ReturnType<typeof stash.waitForSync>>(true);
stash.waitForSync('a', (user) => user?.age === 36, { timeout: 5 }) satisfies boolean;
// @ts-expect-error: here and now
stash.waitForSync('a', async () => true);
await stash.check('a', { expected: { name: 'Ada', age: 36 } });
// @ts-expect-error: no condition
await stash.check('a', {});
await stash.set('a', { name: 'Ada', age: 36 }, { idle: 5n });
await stash.expire('a', { expiresAt: null });
await stash.getOrSet('a', () => ({ name: 'Ada', age: 36 }), { ttl: 5, lease: 500, staleWhileRevalidate: 5 });
const sealed = await LiteStash.open('data', { encryptionKey: new Uint8Array(32), compression: { level: 9 } });
const rotated = await sealed.rotateKey({ signal: AbortSignal.timeout(5) });
same<typeof rotated.finished, boolean>(true);
// @ts-expect-error: bytes
await sealed.changeKey('text');
// @ts-expect-error: no eviction
LiteStash.memory({ limits: { eviction: 'most' } });

const any = LiteStash.memory();
const typed = await any.get<string>('a');
same<typeof typed, string | undefined>(true);
const fetchUser = any.memoize(async (id: number, strict: boolean) => `${id}${strict}`, { ttl: 5, key: (id) => id });
same<Awaited<ReturnType<typeof fetchUser>>, string>(true);
// @ts-expect-error: an id is a number
await fetchUser('a', true);
memoize(any, (id: number) => id).forget(5);
const outcomes = await any.apply([{ op: 'set', key: 'a', value: [1, new Float(1), new Timestamp(1n)], ifAbsent: true }]);
const [outcome] = outcomes;
if (outcome?.status === 'rejected') outcome.reason satisfies LiteStashError;
// @ts-expect-error: a set has a value
await any.apply([{ op: 'set', key: 'a' }]);

const error = new LiteStashError('Busy', 'text');
const code: 'Busy' | string = error.code;
// @ts-expect-error: no such kind
error.code === 'Bussy';
same<typeof error.retry, 'never' | 'later' | 'after_reading' | 'after_repair'>(true);

new KeyvLiteStash(any).capabilities.expires satisfies true;
new KeyvLiteStash5('directory', { prefix: 'a' });
litestashDriver({ stash: any, ttl: 5 });
new LiteStashStore({ stash: any }).get('id', () => undefined);
new FastifyStore({ directory: 'data' });
litestashStore(Map, any);

// Each where it is plugged in.
new Keyv({ store: new KeyvLiteStash5(any) });
new Keyv6({ store: new KeyvLiteStash(any) });
createStorage({ driver: litestashDriver({ directory: 'data' }) });
session({ secret: 'a', store: new LiteStashStore({ stash: any }) });
await fastify().register(fastifySession, { secret: 'a', store: new FastifyStore({ directory: 'data' }) });
createCache({ stores: [litestashStore(Keyv, any, { namespace: 'pages', ttl: 5 })] });
export { code, litestash };
