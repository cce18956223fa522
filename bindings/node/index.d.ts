import type { EventEmitter } from 'node:events';

/** A key: text, an integer, a float or bytes; at most 2048 bytes. `1`, `1.0` and `1n` are one key; NaN is none. */
export type Key = string | number | bigint | Uint8Array;

/**
 * What can be stored. A number that is a safe integer is stored as an integer, any other (also -0) as a float; a bigint is
 * an integer of −2⁶³ to 2⁶⁴−1. An object or a Map is a map with text keys, a `Date` or a {@link Timestamp} a timestamp, a
 * `Float32Array` a vector of binary32.
 *
 * Everything else is refused with `InvalidValue` and the path of the place, such as `$.a[3].b`: `undefined`, functions,
 * symbols, objects of other classes, objects that contain themselves, text with lone surrogates.
 */
export type Storable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Float32Array
  | Date
  | Timestamp
  | Float
  | readonly Storable[]
  | ReadonlyMap<string, Storable>
  | { readonly [key: string]: Storable };

/**
 * What is read. Maps are plain objects. An integer outside the safe range is a bigint; a float that is whole, which only
 * other languages and {@link Float} write, is a number, or a {@link Float} with `wrapFloats`; a timestamp that no `Date`
 * can hold is a {@link Timestamp}; bytes are a new `Uint8Array`.
 */
export type Stored =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Float32Array
  | Date
  | Timestamp
  | Float
  | Stored[]
  | { [key: string]: Stored };

/** What an acknowledged write has reached: the shard's log, the disk, or memory. */
export type Durability = 'normal' | 'full' | 'relaxed';

/** The version of a row: Unix time of its last write in microseconds, greater than that of the row it replaced. */
export type Version = bigint;

/** A span of time: milliseconds; a bigint is microseconds. */
export type Span = number | bigint;

/** Which rows go when a stash is full: none, so that writes fail with `LimitReached`, or these first. Expired ones go before. */
export type Eviction = 'none' | 'leastRecentlyStored' | 'leastRecentlyUsed' | 'leastFrequentlyUsed' | 'random';

/** What a stash or a bucket may take. Every process that writes it should say the same. */
export interface Limits {
  /** Bytes on disk, at least 8 MiB. Default: no limit. */
  bytes?: number;
  /** Rows, at least 1. Default: no limit. */
  rows?: number;
  /** What happens when a limit is reached. Default: `none`. */
  eviction?: Eviction;
}

/** How values are compressed when they are written. Compressed ones are read whatever is said here. */
export interface Compression {
  /** Shorter values are stored as they are. Default: 1024 bytes. */
  minBytes?: number;
  /** Zstandard's level, 1 to 19: higher ones are slower to write and often smaller. Default: 3. */
  level?: number;
}

/** What opens an encrypted stash: one of the two. */
export interface Secret {
  /** 32 bytes that nobody can guess. */
  encryptionKey?: Uint8Array;
  /** A passphrase instead, of which a key is made: with 64 MiB of memory and a tenth of a second for each opening. */
  passphrase?: string;
}

/** How a bucket is opened. */
export interface BucketOptions {
  /** What an acknowledged write has reached. Default: as through the handle that was asked for the bucket. */
  durability?: Durability;
  /** The longest value, in bytes of its encoding. Default: the stash's. */
  valueBytesMax?: number;
  /** Whether its rows are kept in memory. Default: true. */
  cache?: boolean;
  /** How long rows live that are made without a deadline; null for ever. Default: the stash's. */
  defaultTtl?: Span | null;
  /** What the bucket may take; the stash's limits do not count its buckets. Default: no limits. */
  limits?: Limits;
}

/**
 * How a stash is opened. With a key or a passphrase a directory without a stash becomes an encrypted one; `WrongKey` where it is
 * not that of the stash, or the stash is not encrypted, or is and none is given.
 */
export interface OpenOptions extends Secret {
  /** Whether a missing stash is created. Default: true. */
  create?: boolean;
  /** Whether every write is refused with `ReadOnly`. Default: false. */
  readOnly?: boolean;
  /** Read-only, and a promise that nobody is writing. Default: only on media that are mounted read-only. */
  immutable?: boolean;
  /** Whether directories on network file systems are accepted. Default: false. */
  allowNetworkFileSystem?: boolean;
  /** What an acknowledged write has reached. Default: `normal`. */
  durability?: Durability;
  /** Milliseconds that an operation waits for a shard that others hold, before it fails with `Busy`. Default: 30 000. */
  busyTimeout?: number;
  /** Bytes of rows kept in memory; 0 keeps none. Default: 16 MiB. */
  cacheBytes?: number;
  /** The longest value, in bytes of its encoding. Default: 64 MiB; at most 950 MiB. */
  valueBytesMax?: number;
  /** How long rows live that are made without a deadline. Default: for ever. */
  defaultTtl?: Span;
  /** Whether expired rows are removed, rows evicted ahead of need, and so on, without being asked for. Default: true. */
  background?: boolean;
  /** What the stash may take, and what happens then. Default: no limits. */
  limits?: Limits;
  /** Whether values are compressed when they are written, and how. Default: false. */
  compression?: boolean | Compression;
  /** Whether a stored float that is whole is read as a {@link Float}, so that it stays one when it is written. Default: false. */
  wrapFloats?: boolean;
}

/** When a value ends. At most one of the three; without one after the stash's `defaultTtl`, if it has one. */
export interface Deadline {
  /** So long after the write. */
  ttl?: Span | undefined;
  /** So long after the last use: each get, write and touch begins the time anew. */
  idle?: Span | undefined;
  /** At that time: a `Date`, a Unix time in milliseconds, or a bigint in microseconds; null for never. */
  expiresAt?: Date | number | bigint | null | undefined;
}

/** How a value is stored. At most one condition. */
export interface SetOptions extends Deadline {
  /** Keep the deadline that the row has now. */
  keepTtl?: boolean | undefined;
  /** Only if the key is missing or expired. */
  ifAbsent?: boolean | undefined;
  /** Only if the key is there. */
  ifPresent?: boolean | undefined;
  /** Only if the row has this version. */
  ifVersion?: Version | undefined;
}

/** A set that may not store anything. */
export type ConditionalSetOptions = SetOptions & ({ ifAbsent: true } | { ifPresent: true } | { ifVersion: Version });

/** A set that always stores. */
export type PlainSetOptions = Deadline & { keepTtl?: boolean | undefined; ifAbsent?: never; ifPresent?: never; ifVersion?: never };

/** What is asked of a key: that it is missing, that it is there, that it has this version, or that it holds this value. */
export type Condition<V = Storable> =
  | { ifAbsent: true }
  | { ifPresent: true }
  | { ifVersion: Version }
  | { expected: V };

/** How {@link LiteStash.getOrSet} computes and stores. */
export interface ComputeOptions extends Deadline {
  /** Whether processes leave the computation to one of them. Default: true. */
  acrossProcesses?: boolean;
  /** How long other processes wait for one that died while it computed, 10 ms to 10 minutes. Default: 5 s. */
  lease?: Span;
  /**
   * For how long after its `ttl` a value is still given, at once, to all but the one who computes the next. It takes a
   * `ttl`. Default: not at all.
   */
  staleWhileRevalidate?: Span;
}

/** What can happen to a key. */
export type EventKind = 'set' | 'delete' | 'expire' | 'evict' | 'clear' | 'access';

/** Something that happened. It has no value: who needs it reads the key. */
export interface StashEvent {
  /** What happened. */
  readonly kind: EventKind;
  /** Undefined where every key is concerned, which is `clear`. */
  readonly key: Key | undefined;
  /** The version that was stored, removed or read, where it is known. */
  readonly version: Version | undefined;
  /** Whether it was done through this handle of the stash, and not by another process or another handle. */
  readonly own: boolean;
  /** The shard of the key. */
  readonly shard: number;
  /** Events before this one that were dropped because they were not dealt with in time, or could not be learned. */
  readonly missed: number;
}

/** What {@link LiteStash.watch} hears of. Default: every change of every key that is made through this handle. */
export interface WatchOptions {
  /** Only these kinds. Default: all but `access`, which is of this process only. */
  kinds?: Iterable<EventKind>;
  /** Only this key. */
  key?: Key;
  /** Only text keys that begin with this. */
  prefix?: string;
  /**
   * Also what other processes and handles do, some milliseconds after they did it. Every writer keeps a log of its changes
   * meanwhile, which costs it about another small row. Default: false.
   */
  allProcesses?: boolean;
  /** Events that wait to be dealt with, at most; more are dropped and counted. Default: 8192 (and about 1000 on their way). */
  capacity?: number;
  /** Ends it; who waits for an event has `Cancelled`. */
  signal?: AbortSignal;
}

/** The events of a {@link Watch}, with what their listeners are given. */
export interface WatchEvents extends Record<EventKind, [StashEvent]> {
  /** Everything. */
  change: [StashEvent];
  /** Nothing more will come: the stash or this was closed. */
  end: [];
}

/**
 * What happens to keys, told once each and, for each key, in order: as events of an emitter, named by their kinds, or by
 * iteration. Listeners hold no process open, an iteration that waits does.
 */
export class Watch extends EventEmitter<WatchEvents> implements AsyncIterableIterator<StashEvent> {
  private constructor();
  /** Events dropped so far. */
  readonly dropped: number;
  /** Whether nothing more will come. */
  readonly ended: boolean;
  /** Ends it. */
  close(): void;
  /** The next event. */
  next(): Promise<IteratorResult<StashEvent>>;
  /** Ends it, as `break` in a `for await` does. */
  return(value?: unknown): Promise<IteratorResult<StashEvent>>;
  /** Itself. */
  [Symbol.asyncIterator](): this;
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** `close`, for `using`. */
  [Symbol.dispose](): void;
}

/** What became of a {@link LiteStash.transaction}: what each operation answered, or the first one whose condition did not hold. */
export type TransactionOutcome =
  | { committed: true; results: unknown[]; index?: never }
  | { committed: false; index: number; results?: never };

/** What an iteration goes over. */
export interface ScanOptions {
  /** Only text keys that begin with this. */
  prefix?: string;
  /** At most so many rows. */
  limit?: number;
  /** Begin behind this place, taken from {@link SyncScan.cursor}. It stays valid whatever is written. */
  cursor?: string;
}

/** {@link ScanOptions} of an iteration by promises. */
export interface AsyncScanOptions extends ScanOptions {
  /** Stops the iteration with `Cancelled`. */
  signal?: AbortSignal;
}

/** An iteration. Rows come in the order of their hashes; an error stands for one row, and `next` goes on behind it. */
export interface SyncScan<T> extends IterableIterator<T> {
  /** The place behind the last row, to go on from later. */
  readonly cursor: string;
}

/** An iteration whose rows are read in the background. */
export interface AsyncScan<T> extends AsyncIterableIterator<T> {
  /** The place behind the last row, to go on from later. */
  readonly cursor: string;
}

/** One operation for {@link LiteStash.apply} and {@link LiteStash.transaction}. */
export type Operation =
  | { op: 'get' | 'exists' | 'entry' | 'delete' | 'take' | 'persist' | 'touch' | 'expiresAt'; key: Key }
  | ({ op: 'set'; key: Key; value: Storable } & SetOptions)
  | ({ op: 'add' | 'replace'; key: Key; value: Storable } & Deadline)
  | { op: 'increment'; key: Key; by?: number | bigint }
  | { op: 'incrementFloat'; key: Key; by: number }
  | { op: 'compareAndSet'; key: Key; expected?: Storable | undefined; value: Storable }
  | ({ op: 'expire'; key: Key } & Deadline)
  | ({ op: 'check'; key: Key } & Condition);

/** The outcome of one of many operations, in the form of `Promise.allSettled`. */
export type Outcome<T = unknown> =
  | { status: 'fulfilled'; value: T; reason?: never }
  | { status: 'rejected'; reason: LiteStashError; value?: never };

/** What stops long work. */
export interface Stoppable {
  /** Stops the work with `Cancelled`; its cause is the signal's reason. */
  signal?: AbortSignal;
}

/** Figures of the read cache. */
export interface CacheStats {
  /** Reads of one key that were answered from memory. */
  hits: number;
  /** Reads of one key that had to ask SQLite. */
  misses: number;
  /** Rows held, and keys known to be missing. */
  entries: number;
  /** Bytes they are counted as. */
  bytes: number;
  /** The limit of those bytes; 0 if the cache is off. */
  bytesMax: number;
}

/** Figures of one table of a shard. */
export interface SlotStats {
  /** Rows, expired ones left out. */
  rows: number;
  /** Stored rows whose deadline has passed. */
  expiredRows: number;
  /** Bytes of the keys. */
  keyBytes: number;
  /** Bytes of the records: values with their headers. */
  recordBytes: number;
}

/** Figures of one shard. */
export interface ShardStats {
  /** 0 to 15. */
  shard: number;
  /** Bytes of its file. */
  fileBytes: number;
  /** Bytes of its write-ahead log. */
  walBytes: number;
  /** Bytes in pages that hold nothing, which `compact` gives back. */
  freeBytes: number;
  /** Null where nothing is counted: it is from the first write of a stash with limits on. */
  countedRows: number | null;
  /** Bytes of keys and records as counted, or null as well. */
  countedBytes: number | null;
  /** Its tables. */
  slots: SlotStats[];
}

/** Figures of the limits. */
export interface LimitStats {
  /** What the stash was opened with. */
  limits: { bytes: number | null; rows: number | null; eviction: Eviction };
  /** Stored rows and bytes of keys and values as counted; null where nothing is counted. */
  countedRows: number | null;
  /** The same for bytes of keys and records. */
  countedBytes: number | null;
  /** Bytes that the directory takes: files, logs and their indexes, the reserve for a full disk. */
  diskBytes: number;
  /** Rows that this process evicted. */
  evictedRows: number;
}

/** What this process did about deadlines. */
export interface ExpiryStats {
  /** Expired rows that sweeps removed. */
  sweptRows: number;
  /** Entries of the index of deadlines that sweeps removed. */
  sweptHints: number;
  /** Sliding deadlines that were prolonged after reads. */
  prolonged: number;
  /** How often the clock was found set by more than a minute. */
  clockJumps: number;
  /** Whether nothing is swept right now, because the clock was set less than a minute ago. */
  postponed: boolean;
}

/** Sums over all buckets of a stash. */
export interface BucketStats {
  /** How many there are. */
  buckets: number;
  /** Rows, expired ones left out. */
  rows: number;
  /** Stored rows whose deadline has passed. */
  expiredRows: number;
  /** Bytes of the keys. */
  keyBytes: number;
  /** Bytes of the records. */
  recordBytes: number;
  /** Bytes of the files, write-ahead logs included. */
  fileBytes: number;
}

/** What {@link LiteStash.sweep} removed. */
export interface SweepReport {
  /** Expired rows. */
  rows: number;
  /** Entries of the index of deadlines. */
  hints: number;
  /** Rows that may have expired but cannot be read. */
  unreadable: number;
  /** Whether nothing was removed, because the clock was set less than a minute ago. */
  postponed: boolean;
}

/** What {@link LiteStash.rotateKey} did. */
export interface RotateReport {
  /** The number of the new key. */
  epoch: number;
  /** Whether an earlier rotation was taken up that had not been finished. */
  resumed: boolean;
  /** Tables looked through. */
  tables: number;
  /** Rows looked at. */
  rows: number;
  /** Rows encrypted anew. */
  resealed: number;
  /** Rows that cannot be decrypted. While there are any, the old key is kept. */
  damaged: number;
  /** Whether the old key was dropped. */
  finished: boolean;
}

/** Figures of a stash, its buckets left out. */
export interface Stats {
  /** Rows, expired ones left out. */
  rows: number;
  /** Stored rows whose deadline has passed. */
  expiredRows: number;
  /** Bytes of the keys. */
  keyBytes: number;
  /** Bytes of the records: values with their headers. */
  recordBytes: number;
  /** Bytes of the files, write-ahead logs included. */
  fileBytes: number;
  /** The limits, and how far they are used. */
  limits: LimitStats;
  /** Of the stash and its buckets together. */
  cache: CacheStats;
  /** What this process did about deadlines. */
  expiry: ExpiryStats;
  /** Sums over its buckets. */
  buckets: BucketStats;
  /** The SQLite inside. */
  sqliteVersion: string;
  /** The contract's version. */
  format: number;
  /** Every shard that exists. */
  shards: ShardStats[];
}

/** One thing that is wrong. */
export interface Problem {
  /** 0 to 15. */
  shard: number;
  /** The table, 0 to 3, if it is in one. */
  slot: number | null;
  /** The row, if it is one: hexadecimal. */
  keyHash: string | null;
  /** What kind of thing. */
  kind: string;
  /** What is wrong, in English. */
  message: string;
}

/** What {@link LiteStash.verify} found. */
export interface VerifyReport {
  /** Shards that were checked. */
  shards: number;
  /** Rows that were checked. */
  rows: number;
  /** Empty if the stash is sound. */
  problems: Problem[];
}

/** What {@link LiteStash.backup} wrote. */
export interface BackupReport {
  /** Shards that were copied. */
  shards: number;
  /** Bytes of the copy. */
  bytes: number;
}

/** What {@link LiteStash.compact} did. */
export interface CompactReport {
  /** Pages that were given back. */
  pagesFreed: number;
  /** Bytes that were given back. */
  bytesFreed: number;
  /** Shards that others held, and that were left alone. */
  shardsBusy: number;
}

/** What {@link LiteStash.export} wrote. */
export interface ExportReport {
  /** Rows that were written. */
  rows: number;
  /** Bytes that were written. */
  bytes: number;
}

/** What {@link LiteStash.import} did. */
export interface ImportReport {
  /** Lines that were read. */
  lines: number;
  /** Bytes that were read. */
  bytes: number;
  /** Rows that were stored. */
  rows: number;
  /** Rows that were not stored, because the stash has the same version or a newer one. */
  older: number;
  /** Lines that are no rows. */
  rejectedLines: number;
  /** The first of those. */
  rejected: { line: number; error: string; message: string }[];
}

/** What {@link LiteStash.repair} did. */
export interface RepairReport {
  /** Shards that were read. */
  shards: number;
  /** Rows that were written. */
  rows: number;
  /** What could not be written, and why. */
  lost: { shard: number; slot: number | null; keyHash: string | null; key: string | null; reason: string }[];
}

/** Options of {@link LiteStash.export}. */
export interface ExportOptions {
  /** Only text keys that begin with this. */
  prefix?: string;
}

/** Options of {@link LiteStash.import}. */
export interface ImportOptions {
  /** Write rows with the versions of their lines, unless the stash has the same or a newer one. Default: false. */
  keepVersions?: boolean;
}

/** How {@link memoize} stores results. */
export interface MemoizeOptions<A extends unknown[]> extends ComputeOptions {
  /** The key for arguments. Default: their JSON. */
  key?: (...given: A) => Key;
  /** What text keys begin with. Default: the function's name and a colon. */
  prefix?: string;
}

/** A function whose results are kept in a stash. */
export interface Memoized<A extends unknown[], R> {
  (...given: A): Promise<R>;
  /** Forgets the result for these arguments; answers whether there was one. */
  forget(...given: A): Promise<boolean>;
}

/** The kinds of errors; `docs/ERRORS.md` of the repository has the table. */
export type ErrorCode = import('./lib/error-codes').ErrorCode;

/** The error of every operation. */
export class LiteStashError extends Error {
  /** For those who make errors of this kind themselves. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions);
  /** What every error has. */
  readonly name: 'LiteStashError';
  /** The kind's name, the same in every language: the part a program decides by. */
  readonly code: ErrorCode;
  /** The kind's number, the same in every language. */
  readonly number: number;
  /** What the same call does when it is made again. */
  readonly retry: 'never' | 'later' | 'after_reading' | 'after_repair';
  /** The place in the value that was refused, such as `$.a[3].b`. */
  readonly path?: string;
}

/** A number that is stored as a float although it is whole. */
export class Float {
  /** Any number. */
  constructor(value: number);
  /** The number. */
  readonly value: number;
  /** The number. */
  valueOf(): number;
}

/** A moment that no `Date` can hold: finer than milliseconds, or out of its range. */
export class Timestamp {
  /** Seconds since 1970-01-01T00:00:00Z, rounded down, and 0 to 999 999 999 nanoseconds after them. */
  constructor(seconds: bigint, nanoseconds?: number);
  /** Whole seconds since 1970. */
  readonly seconds: bigint;
  /** And nanoseconds. */
  readonly nanoseconds: number;
}

/** What is stored under a key, with what belongs to it. */
export class Entry<V = unknown> {
  private constructor();
  /** The value. */
  readonly value: V;
  /** The version. */
  readonly version: Version;
  /** When it ends, to the millisecond; null without a deadline. */
  readonly expiresAt: Date | null;
  /** When it ends, Unix time in microseconds; null without a deadline. */
  readonly expiresAtMicros: bigint | null;
  /** Bytes of the value's encoding. */
  readonly size: number;
  /** Milliseconds after its last use that it ends; null unless its deadline slides. */
  readonly idle: number | null;
  /** The same in microseconds. */
  readonly idleMicros: bigint | null;
}

/**
 * An embedded key-value store: a directory of SQLite files that any number of processes, threads and languages use at once.
 *
 * Every operation has two forms. The one that returns a promise never makes the event loop wait for a file or a lock;
 * operations of one turn of the loop are handed over together. The one whose name ends in `Sync` does it here and now, and
 * does not wait for promises that are under way. Writes of a key, and reads that follow them, are done in the order they
 * were called in.
 *
 * `V` is the type of the values, for those who know it.
 */
export class LiteStash<V = any> {
  private constructor();

  /** Opens the stash in a directory (a path or a `file:` URL), creating it if it is missing. */
  static open<V = any>(directory: string | URL, options?: OpenOptions): Promise<LiteStash<V>>;
  /** {@link LiteStash.open}, here and now. */
  static openSync<V = any>(directory: string | URL, options?: OpenOptions): LiteStash<V>;
  /** Opens a stash in memory, which ends when it is closed. */
  static memory<V = any>(options?: OpenOptions): LiteStash<V>;
  /**
   * Writes every row of a damaged stash that proves sound into a new stash. The source must not be open in this process. What a
   * stopped one wrote so far stays.
   */
  static repair(source: string | URL, destination: string | URL, options?: Secret & Stoppable): Promise<RepairReport>;
  /** {@link LiteStash.repair}, here and now. */
  static repairSync(source: string | URL, destination: string | URL, secret?: Secret): RepairReport;

  /** The directory as an absolute path; undefined for a stash in memory. */
  readonly path: string | undefined;
  /** What writes through this handle have reached when they are acknowledged. */
  readonly durability: Durability;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
  /** Whether the stash was closed. */
  readonly closed: boolean;
  /** Whether the stash is encrypted. */
  readonly encrypted: boolean;
  /** The name of the bucket; undefined of a stash. */
  readonly bucketName: string | undefined;
  /** What this process did about deadlines since it opened the stash. Costs nothing. */
  readonly expiryStats: ExpiryStats;
  /** A handle of the same stash whose writes are acknowledged at another level. Closing one closes all. */
  withDurability(level: Durability): LiteStash<V>;

  /**
   * A bucket: a stash of its own inside this one, with keys, limits and events of its own. No file is opened, and it is there
   * from its first write on. Asked for again it is the same handle. `InvalidArgument` if other handles of it were opened with other options. Closing the stash
   * closes its buckets.
   */
  bucket<B = V>(name: string, options?: BucketOptions): LiteStash<B>;
  /** The names of all buckets. */
  buckets(): Promise<string[]>;
  /** {@link LiteStash.buckets}, here and now. */
  bucketsSync(): string[];
  /** Deletes a bucket with all that is in it; answers whether there was one. Handles of it stay usable. */
  dropBucket(name: string): Promise<boolean>;
  /** {@link LiteStash.dropBucket}, here and now. */
  dropBucketSync(name: string): boolean;

  /** The value of a key; undefined if it is missing or expired. A stored nil is null. A value in memory costs no thread. */
  get<T extends V = V>(key: Key): Promise<T | undefined>;
  /** {@link LiteStash.get}, here and now. */
  getSync<T extends V = V>(key: Key): T | undefined;

  /** Stores a value, replacing what was there and its deadline. Answers with the row's version; undefined if a condition did not hold. */
  set(key: Key, value: V, options?: PlainSetOptions): Promise<Version>;
  set(key: Key, value: V, options: ConditionalSetOptions): Promise<Version | undefined>;
  set(key: Key, value: V, options?: SetOptions): Promise<Version | undefined>;
  /** {@link LiteStash.set}, here and now. */
  setSync(key: Key, value: V, options?: PlainSetOptions): Version;
  setSync(key: Key, value: V, options: ConditionalSetOptions): Version | undefined;
  setSync(key: Key, value: V, options?: SetOptions): Version | undefined;

  /** Stores a value if the key is missing or expired; answers whether it did. */
  add(key: Key, value: V, options?: Deadline): Promise<boolean>;
  /** {@link LiteStash.add}, here and now. */
  addSync(key: Key, value: V, options?: Deadline): boolean;
  /** Stores a value if the key is there; answers whether it did. */
  replace(key: Key, value: V, options?: Deadline): Promise<boolean>;
  /** {@link LiteStash.replace}, here and now. */
  replaceSync(key: Key, value: V, options?: Deadline): boolean;
  /** Stores a value if the key holds `expected` (undefined: is missing or expired); answers whether it did. */
  compareAndSet(key: Key, expected: V | undefined, value: V): Promise<boolean>;
  /** {@link LiteStash.compareAndSet}, here and now. */
  compareAndSetSync(key: Key, expected: V | undefined, value: V): boolean;

  /** Whether a key is there and not expired. */
  exists(key: Key): Promise<boolean>;
  /** {@link LiteStash.exists}, here and now. */
  existsSync(key: Key): boolean;
  /** The value of a key with its version, deadline and size. */
  entry<T extends V = V>(key: Key): Promise<Entry<T> | undefined>;
  /** {@link LiteStash.entry}, here and now. */
  entrySync<T extends V = V>(key: Key): Entry<T> | undefined;
  /** Deletes a key; answers whether it was there. */
  delete(key: Key): Promise<boolean>;
  /** {@link LiteStash.delete}, here and now. */
  deleteSync(key: Key): boolean;
  /** Takes a value out: get and delete in one step. */
  take<T extends V = V>(key: Key): Promise<T | undefined>;
  /** {@link LiteStash.take}, here and now. */
  takeSync<T extends V = V>(key: Key): T | undefined;

  /** Adds to a stored integer, a missing one counting as 0; answers with the sum, a bigint outside the safe range. Default: 1. */
  increment(key: Key, by?: number | bigint): Promise<number | bigint>;
  /** {@link LiteStash.increment}, here and now. */
  incrementSync(key: Key, by?: number | bigint): number | bigint;
  /** Adds to a stored number and stores the sum as a float. */
  incrementFloat(key: Key, by: number): Promise<number>;
  /** {@link LiteStash.incrementFloat}, here and now. */
  incrementFloatSync(key: Key, by: number): number;

  /** Milliseconds that a key has left; null without a deadline, undefined if it is missing. */
  ttl(key: Key): Promise<number | null | undefined>;
  /** {@link LiteStash.ttl}, here and now. */
  ttlSync(key: Key): number | null | undefined;
  /** When a key ends, Unix time in microseconds; null without a deadline, undefined if it is missing. */
  expiresAt(key: Key): Promise<bigint | null | undefined>;
  /** {@link LiteStash.expiresAt}, here and now. */
  expiresAtSync(key: Key): bigint | null | undefined;
  /** Gives a key a new deadline (a number or bigint is a ttl); answers whether the key was there. */
  expire(key: Key, deadline: Span | Deadline): Promise<boolean>;
  /** {@link LiteStash.expire}, here and now. */
  expireSync(key: Key, deadline: Span | Deadline): boolean;
  /** Begins a sliding deadline anew, as a get does; answers whether the key was there. */
  touch(key: Key): Promise<boolean>;
  /** {@link LiteStash.touch}, here and now. */
  touchSync(key: Key): boolean;
  /** Takes a key's deadline away; answers whether it had one. */
  persist(key: Key): Promise<boolean>;
  /** {@link LiteStash.persist}, here and now. */
  persistSync(key: Key): boolean;

  /** Removes expired rows now, which nobody can see anyway and the background removes by itself. */
  sweep(): Promise<SweepReport>;
  /** {@link LiteStash.sweep}, here and now. */
  sweepSync(): SweepReport;
  /** Removes rows that were written longer ago than `age`; answers with their number. */
  expireOlderThan(age: Span, options?: { prefix?: string }): Promise<number>;
  /** {@link LiteStash.expireOlderThan}, here and now. */
  expireOlderThanSync(age: Span, options?: { prefix?: string }): number;

  /** Whether a condition holds. */
  check(key: Key, condition: Condition<V>): Promise<boolean>;
  /** {@link LiteStash.check}, here and now. */
  checkSync(key: Key, condition: Condition<V>): boolean;

  /** The values of many keys, in their order; each shard is seen in one committed state. */
  getMany<T extends V = V>(keys: Iterable<Key>): Promise<(T | undefined)[]>;
  /** {@link LiteStash.getMany}, here and now. */
  getManySync<T extends V = V>(keys: Iterable<Key>): (T | undefined)[];
  /** Stores many values; all are checked before anything is written, and each shard's part is one transaction. */
  setMany(items: Iterable<readonly [Key, V]>, options?: PlainSetOptions): Promise<Version[]>;
  /** {@link LiteStash.setMany}, here and now. */
  setManySync(items: Iterable<readonly [Key, V]>, options?: PlainSetOptions): Version[];
  /** Deletes many keys; answers for each whether it was there. */
  deleteMany(keys: Iterable<Key>): Promise<boolean[]>;
  /** {@link LiteStash.deleteMany}, here and now. */
  deleteManySync(keys: Iterable<Key>): boolean[];
  /** Does independent operations, one transaction per shard, and answers each of them. */
  apply(operations: Iterable<Operation>): Promise<Outcome[]>;
  /** {@link LiteStash.apply}, here and now. */
  applySync(operations: Iterable<Operation>): Outcome[];

  /**
   * Does all of the operations or none, whatever keys they are of, also if the process is killed. Each sees what those before it
   * did. A condition that does not hold (of a set, an add, a replace, a compareAndSet or a check) refuses all of them; an
   * operation that fails is the error of all.
   */
  transaction(operations: Iterable<Operation>): Promise<TransactionOutcome>;
  /** {@link LiteStash.transaction}, here and now. */
  transactionSync(operations: Iterable<Operation>): TransactionOutcome;

  /**
   * The value of a key; if it is missing, what `compute` gives, stored under the key. However many ask for one key at the
   * same time, in whatever process, one computes and the others wait for it. A failure is `ComputeFailed` with its cause,
   * and nothing is stored. `compute` must not wait for its own key.
   */
  getOrSet<T extends V = V>(key: Key, compute: () => T | Promise<T>, options?: ComputeOptions): Promise<T>;
  /** {@link LiteStash.getOrSet}, here and now: also waits for other threads and processes that compute. */
  getOrSetSync<T extends V = V>(key: Key, compute: () => T, options?: ComputeOptions): T;
  /** {@link memoize} with this stash. */
  memoize<A extends unknown[], R>(fn: (...given: A) => R | Promise<R>, options?: MemoizeOptions<A>): Memoized<A, R>;

  /** Hears of what happens to keys from when it is answered on. */
  watch(options?: WatchOptions): Promise<Watch>;
  /** {@link LiteStash.watch}, here and now. */
  watchSync(options?: WatchOptions): Watch;
  /**
   * Waits until the value of a key (undefined: missing or expired) is as `holds` wants it, or `timeout` milliseconds have
   * passed; answers whether it is. Writes of others are seen within some milliseconds.
   */
  waitFor(
    key: Key,
    holds: (value: V | undefined) => boolean | Promise<boolean>,
    options?: { timeout?: number; signal?: AbortSignal },
  ): Promise<boolean>;
  /**
   * {@link LiteStash.waitFor}, here and now: looks every 5 ms, and nothing else of this thread goes on meanwhile. So it is
   * for others to write what is waited for: other processes and threads, or a promise that was handed over before.
   */
  waitForSync(key: Key, holds: (value: V | undefined) => boolean, options?: { timeout?: number }): boolean;

  /** The keys. */
  keys(options?: AsyncScanOptions): AsyncScan<Key>;
  /** {@link LiteStash.keys}, here and now. */
  keysSync(options?: ScanOptions): SyncScan<Key>;
  /** The values. */
  values<T extends V = V>(options?: AsyncScanOptions): AsyncScan<T>;
  /** {@link LiteStash.values}, here and now. */
  valuesSync<T extends V = V>(options?: ScanOptions): SyncScan<T>;
  /** The keys with their values. */
  items<T extends V = V>(options?: AsyncScanOptions): AsyncScan<[Key, T]>;
  /** {@link LiteStash.items}, here and now. */
  itemsSync<T extends V = V>(options?: ScanOptions): SyncScan<[Key, T]>;
  /** {@link LiteStash.items}. */
  [Symbol.asyncIterator](): AsyncScan<[Key, V]>;
  /** {@link LiteStash.itemsSync}. */
  [Symbol.iterator](): SyncScan<[Key, V]>;

  /** How many rows there are, expired ones left out. Costs a walk over the index of every table. */
  len(): Promise<number>;
  /** {@link LiteStash.len}, here and now. */
  lenSync(): number;
  /** Whether there is no row. */
  isEmpty(): Promise<boolean>;
  /** {@link LiteStash.isEmpty}, here and now. */
  isEmptySync(): boolean;
  /** Deletes every row, one transaction per shard. */
  clear(): Promise<void>;
  /** {@link LiteStash.clear}, here and now. */
  clearSync(): void;
  /** Makes everything acknowledged so far durable, at any level. */
  sync(): Promise<void>;
  /** {@link LiteStash.sync}, here and now. */
  syncSync(): void;
  /** Figures of the stash. Costs a walk over every table. */
  stats(): Promise<Stats>;
  /** {@link LiteStash.stats}, here and now. */
  statsSync(): Stats;
  /** Checks every rule of the contract. Damage is reported, not an error. */
  verify(options?: Stoppable): Promise<VerifyReport>;
  /** {@link LiteStash.verify}, here and now. */
  verifySync(): VerifyReport;
  /**
   * Gives an encrypted stash a new data key, encrypts every row with it, and drops the old one, while others go on. One that was
   * stopped is taken up by the next.
   */
  rotateKey(options?: Stoppable): Promise<RotateReport>;
  /** {@link LiteStash.rotateKey}, here and now. */
  rotateKeySync(): RotateReport;
  /** Gives an encrypted stash another key instead of its key or passphrase; no row is touched. */
  changeKey(key: Uint8Array): Promise<void>;
  /** {@link LiteStash.changeKey}, here and now. */
  changeKeySync(key: Uint8Array): void;
  /** {@link LiteStash.changeKey} to a passphrase. */
  changePassphrase(passphrase: string): Promise<void>;
  /** {@link LiteStash.changePassphrase}, here and now. */
  changePassphraseSync(passphrase: string): void;
  /** Gives the space of deleted rows back to the file system, in small steps. What a stopped one gave back stays so. */
  compact(options?: Stoppable): Promise<CompactReport>;
  /** {@link LiteStash.compact}, here and now. */
  compactSync(): CompactReport;
  /** Copies the stash, all shards as of one moment, into a new directory. */
  backup(destination: string | URL, options?: Stoppable): Promise<BackupReport>;
  /** {@link LiteStash.backup}, here and now. */
  backupSync(destination: string | URL): BackupReport;
  /** Writes the rows into a file as JSON Lines. What a stopped export wrote so far stays. */
  export(file: string | URL, options?: ExportOptions & Stoppable): Promise<ExportReport>;
  /** {@link LiteStash.export}, here and now. */
  exportSync(file: string | URL, options?: ExportOptions): ExportReport;
  /** Reads JSON Lines from a file and stores each row. What a stopped import stored so far stays. */
  import(file: string | URL, options?: ImportOptions & Stoppable): Promise<ImportReport>;
  /** {@link LiteStash.import}, here and now. */
  importSync(file: string | URL, options?: ImportOptions): ImportReport;

  /** Waits for what was asked for, then closes the stash for all its handles. Later operations are `Closed`. */
  close(): Promise<void>;
  /** Closes the stash here and now; operations that are still on their way are `Closed`. */
  closeSync(): void;
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** `closeSync`, for `using`. */
  [Symbol.dispose](): void;
}

/** A function whose results are kept in `stash`, computed once however many call at the same time. A result of null is kept too. */
export function memoize<A extends unknown[], R>(
  stash: LiteStash,
  fn: (...given: A) => R | Promise<R>,
  options?: MemoizeOptions<A>,
): Memoized<A, R>;

/** The version of this package. */
export const version: string;
/** The version of the SQLite in it. */
export const sqliteVersion: string;
