// Where the parts of a JSON text stand. The text has been read by JSON.parse, so it is valid. Long runs are skipped by
// the engine's own searches, not character by character: an interpreter looks at a body of a megabyte here.

const SPACES = /[ \t\n\r]*/y;
const SCALAR = /[^,\]} \t\n\r]*/y;

const STRING = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"';
const PLAIN = '[^"[\\]{}]*';
// So many parts at once: each takes a little of the engine's memory until the search ends.
const PARTS_MAX = 200;
const FLAT = `[[{]${PLAIN}(?:${STRING}${PLAIN}){0,${PARTS_MAX}}[\\]}]`;
const NESTED = `[[{]${PLAIN}(?:(?:${STRING}|${FLAT})${PLAIN}){0,${PARTS_MAX}}[\\]}]`;
// As much as there is of strings, of what needs no look, and of objects and arrays that hold no more than flat ones.
const RUN = new RegExp(`${PLAIN}(?:(?:${STRING}|${NESTED})${PLAIN}){0,${PARTS_MAX}}`, "y");

const QUOTE = 34;
const COMMA = 44;
export const COLON = 58;
const BACKSLASH = 92;
export const OPENING_BRACKET = 91;
const CLOSING_BRACKET = 93;
export const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;

export function skipSpaces(text, from) {
  // Most texts have none.
  if (text.charCodeAt(from) > 32) return from;
  SPACES.lastIndex = from;
  SPACES.test(text);
  return SPACES.lastIndex;
}

/** The end of the value that begins at `from`, if there is nothing but spaces behind it. */
export function wholeEnd(text) {
  return text.charCodeAt(text.length - 1) > 32 ? text.length : text.trimEnd().length;
}

/** The end of the string whose opening quote stands at `from`. */
function stringEnd(text, from) {
  let at = from;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    if (text.charCodeAt(at - 1) !== BACKSLASH) return at + 1;
    let slashes = at - 2;
    while (text.charCodeAt(slashes) === BACKSLASH) slashes -= 1;
    if ((at - slashes) % 2 === 1) return at + 1;
  }
}

/** The end of the value that begins at `from`. */
export function valueEnd(text, from) {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return stringEnd(text, from);
  if (first !== OPENING_BRACE && first !== OPENING_BRACKET) {
    SCALAR.lastIndex = from;
    SCALAR.test(text);
    return SCALAR.lastIndex;
  }
  let depth = 1;
  let at = from + 1;
  while (depth > 0 && at < text.length) {
    RUN.lastIndex = at;
    RUN.test(text);
    at = RUN.lastIndex;
    const char = text.charCodeAt(at);
    // Otherwise there were more parts than the search takes at once.
    if (char === CLOSING_BRACE || char === CLOSING_BRACKET) depth -= 1;
    else if (char === OPENING_BRACE || char === OPENING_BRACKET) depth += 1;
    else continue;
    at += 1;
  }
  return at;
}

/** The members of the object that begins at `from`: where the key's quote stands, the key, and the value's place. */
export function members(text, from) {
  const found = [];
  let at = skipSpaces(text, from + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = stringEnd(text, at);
    const colon = text.charCodeAt(keyEnd) === COLON ? keyEnd : skipSpaces(text, keyEnd);
    const start = skipSpaces(text, colon + 1);
    const end = valueEnd(text, start);
    found.push({ at, key: unquote(text.slice(at, keyEnd)), start, end });
    const comma = skipSpaces(text, end);
    if (text.charCodeAt(comma) !== COMMA) break;
    at = skipSpaces(text, comma + 1);
  }
  return found;
}

/** The places of the elements of the array that begins at `from`. */
export function elements(text, from) {
  const found = [];
  let at = skipSpaces(text, from + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSING_BRACKET) {
    const end = valueEnd(text, at);
    found.push({ at, start: at, end });
    const comma = skipSpaces(text, end);
    if (text.charCodeAt(comma) !== COMMA) break;
    at = skipSpaces(text, comma + 1);
  }
  return found;
}

function unquote(quoted) {
  return quoted.includes("\\") ? JSON.parse(quoted) : quoted.slice(1, -1);
}
