'use strict';

/* JSON taken apart without being understood: the texts of an object's members and an array's elements. */

/** Where the value that begins at `start` ends. */
function endOf(text, start) {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++;
    } else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') {
      if (depth-- === 0) return at;
    } else if ((character === ',' || character === ':') && depth === 0) return at;
  }
  return text.length;
}

/** The texts between the outer brackets, split at commas and colons. */
function parts(text) {
  const found = [];
  let at = 1;
  while (at < text.length - 1) {
    const end = endOf(text, at);
    found.push(text.slice(at, end).trim());
    at = end + 1;
  }
  return found.filter((part) => part !== '');
}

/** The texts of an array's elements. */
const elements = (text) => parts(text.trim());

/** The texts of an object's members, by their names. */
function members(text) {
  const found = parts(text.trim());
  return new Map(found.flatMap((part, i) => (i % 2 === 0 ? [[JSON.parse(part), found[i + 1]]] : [])));
}

module.exports = { elements, members };
