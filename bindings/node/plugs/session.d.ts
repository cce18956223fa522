import { Store } from 'express-session';
import type { LiteStash } from '../index';

/** Options of the store. */
export interface LiteStashStoreOptions {
  /** The stash. */
  stash?: LiteStash;
  /** Instead of a stash: the directory of one. */
  directory?: string;
  /** What the keys begin with. Default: `session:`. */
  prefix?: string;
  /** Milliseconds after its last use that a session ends whose cookie has no end of its own. Default: a day. */
  ttl?: number;
}

/** A store for express-session. */
export class LiteStashStore extends Store {
  constructor(options: LiteStashStoreOptions);
  readonly stash: LiteStash;
  get(id: string, callback: (error: any, session?: any) => void): void;
  set(id: string, session: any, callback?: (error?: any) => void): void;
  destroy(id: string, callback?: (error?: any) => void): void;
  clear(callback?: (error?: any) => void): void;
}
