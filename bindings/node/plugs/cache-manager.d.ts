import type { LiteStash } from '../index';

/** Options of the store. */
export interface LiteStashStoreOptions {
  /** Milliseconds that an entry lives if it is set without its own. Default: for ever. */
  ttl?: number;
  /** Keeps the entries of several caches apart. */
  namespace?: string;
  /** What every key in the stash begins with. Default: nothing. */
  prefix?: string;
}

/** A store for cache-manager: one of its `stores`. `Keyv` is the class of Keyv 5 that cache-manager uses. */
export function litestashStore<K>(Keyv: new (...given: any[]) => K, stash: LiteStash | string, options?: LiteStashStoreOptions): K;
