import litestash from './index.js';

export const { LiteStash, LiteStashError, Entry, Float, Timestamp, memoize, version, sqliteVersion } = litestash;
export default litestash;
