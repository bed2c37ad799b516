// Where the parts of a JSON text stand. The text has been read by JSON.parse, so it is valid. Long runs are skipped by
// the engine's own searches, not character by character: an interpreter looks at a body of a megabyte here.

const SPACES = /[ \t\n\r]*/y;
const SCALAR = /[^,\]} \t\n\r]*/y;
// The next bracket outside strings, or a whole string.
const PARTS = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g;

const QUOTE = 34;
const COMMA = 44;
const OPENING_BRACKET = 91;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;

export function skipSpaces(text, from) {
  // Most texts have none.
  if (text.charCodeAt(from) > 32) return from;
  SPACES.lastIndex = from;
  SPACES.test(text);
  return SPACES.lastIndex;
}

/** The end of the string whose opening quote stands at `from`. */
function stringEnd(text, from) {
  let at = from;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let slashes = at - 1;
    while (text.charCodeAt(slashes) === 92) slashes -= 1;
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
  let depth = 0;
  PARTS.lastIndex = from;
  while (PARTS.test(text)) {
    const char = text.charCodeAt(PARTS.lastIndex - 1);
    if (char === QUOTE) continue;
    depth += char === OPENING_BRACE || char === OPENING_BRACKET ? 1 : -1;
    if (depth === 0) return PARTS.lastIndex;
  }
  return text.length;
}

/** The members of the object that begins at `from`: where the key's quote stands, the key, and the value's place. */
export function members(text, from) {
  const found = [];
  let at = skipSpaces(text, from + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = stringEnd(text, at);
    const start = skipSpaces(text, skipSpaces(text, keyEnd) + 1);
    const end = valueEnd(text, start);
    found.push({ at, key: unquote(text.slice(at, keyEnd)), start, end });
    const comma = skipSpaces(text, end);
    at = text.charCodeAt(comma) === COMMA ? skipSpaces(text, comma + 1) : text.length;
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
