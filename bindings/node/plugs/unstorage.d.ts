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

/**
 * A driver for unstorage. Its `watch` hears of what everybody does who writes the directory, processes and other languages too.
 * Clearing the whole stash is told of for no key.
 */
export function litestashDriver(options: LiteStashDriverOptions): any;
