import litestash from './index.js';

export const { LiteStash, LiteStashError, Entry, Float, Timestamp, Watch, memoize, version, sqliteVersion } = litestash;
export default litestash;
