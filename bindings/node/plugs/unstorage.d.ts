import type { LiteStash } from '../index';

/** Options of the driver. */
export interface LiteStashDriverOptions {
  /** The stash; `dispose` closes it. */
  stash?: LiteStash;
  /** Instead of a stash: the directory of one. */
  directory?: string;
  /** What every key in the stash begins with. Default: nothing. */
  prefix?: string;
  /** Seconds that an item lives if it is set without its own `ttl`. Default: for ever. */
  ttl?: number;
}

/** A driver for unstorage. */
export function litestashDriver(options: LiteStashDriverOptions): any;
