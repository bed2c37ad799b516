// What is written into a JSON text digit for digit: decimals, ids and documents. A class that extends Exact says by
// `jsonText()` how it is written; everything else is written as JSON.stringify has it.

let seen = false;

/** A value that is its own JSON text. */
export class Exact {
  /** Where a text is enough: JSON.stringify of the language writes a text, and nothing is lost. */
  toJSON() {
    seen = true;
    return this.toString();
  }
}

/** The value as one JSON text without spaces; undefined if it is nothing that JSON knows. */
export function write(value) {
  if (typeof value === "bigint") return value.toString();
  seen = false;
  let text;
  try {
    text = JSON.stringify(value);
  } catch (_error) {
    // A bigint is one reason; the slow way writes it, and finds the others.
    return writeExactly(value, 0);
  }
  return seen ? writeExactly(value, 0) : text;
}

/** The same for what must be there: `what` names it in the error. */
export function mustWrite(what, value) {
  const text = write(value);
  if (text === undefined) throw new TypeError(`${what} cannot be written as JSON: it is ${typeof value}`);
  return text;
}

// Deeper than any message may be: what goes on beyond has a circle in it.
const DEPTH_MAX = 500;

function writeExactly(value, depth) {
  if (depth > DEPTH_MAX) throw new TypeError("a value that holds itself cannot be written as JSON");
  const plain = plainOf(value);
  if (plain instanceof Exact) return plain.jsonText();
  if (typeof plain === "bigint") return plain.toString();
  if (plain === null || typeof plain !== "object") return JSON.stringify(plain);
  if (Array.isArray(plain)) {
    const elements = [];
    for (const element of plain) elements.push(writeExactly(element, depth + 1) ?? "null");
    return `[${elements.join(",")}]`;
  }
  const members = [];
  for (const key of Object.keys(plain)) {
    const text = writeExactly(plain[key], depth + 1);
    if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${members.join(",")}}`;
}

/** What JSON.stringify would make of it first: a Date becomes a text, a boxed number a number. */
export function plainOf(value) {
  if (value === null || typeof value !== "object" || value instanceof Exact) return value;
  if (typeof value.toJSON === "function") return value.toJSON("");
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return value.valueOf();
  return value;
}
