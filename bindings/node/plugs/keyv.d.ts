import { EventEmitter } from 'node:events';
import type { LiteStash } from '../index';

/** Options of both adapters. */
export interface KeyvLiteStashOptions {
  /** What every key in the stash begins with. Default: nothing. */
  prefix?: string;
  /** The namespace; Keyv sets it. */
  namespace?: string;
}

/** What both contracts share. */
declare class Adapter extends EventEmitter {
  /** On a stash, or on the one in a directory. `disconnect` closes it. */
  constructor(stash: LiteStash | string | URL, options?: KeyvLiteStashOptions);
  readonly stash: LiteStash;
  opts: any;
  namespace: string | undefined;
  get<Value>(key: string): Promise<Value | undefined>;
  getMany<Value>(keys: string[]): Promise<Array<Value | undefined>>;
  has(key: string): Promise<boolean>;
  hasMany(keys: string[]): Promise<boolean[]>;
  delete(key: string): Promise<boolean>;
  clear(): Promise<void>;
  disconnect(): Promise<void>;
}

/** A storage adapter for Keyv 6: its times are absolute, and namespaces are the adapter's. */
export class KeyvLiteStash extends Adapter {
  capabilities: { expires: true };
  set(key: string, value: unknown, expires?: number): Promise<boolean>;
  setMany(entries: { key: string; value: unknown; expires?: number }[]): Promise<boolean[]>;
  deleteMany(keys: string[]): Promise<boolean[]>;
  iterator(): AsyncGenerator<[string, any], void>;
}

/** A store for Keyv 5: its times are relative, and it prefixes keys itself. */
export class KeyvLiteStash5 extends Adapter {
  set(key: string, value: any, ttl?: number): Promise<boolean>;
  setMany(entries: { key: string; value: any; ttl?: number }[]): Promise<boolean[]>;
  deleteMany(keys: string[]): Promise<boolean>;
  iterator(namespace?: string): AsyncGenerator<[string, any], void>;
}
