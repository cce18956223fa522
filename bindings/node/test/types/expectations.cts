/* The same package, required. */
import litestash = require('litestash');

const stash: litestash.LiteStash<number> = litestash.LiteStash.openSync('data');
const value: number | undefined = stash.getSync('a');
export = { value };
