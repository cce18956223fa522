export * from './index.js';
import * as litestash from './index.js';
export default litestash;
