// What a step reads of a body, declared: `export const body = object({ account: id, amount: decimal })`. A type reads
// numbers from the text itself, so that no digit is lost, and says in words what does not fit.

import { Decimal } from "./decimal.js";
import { Document } from "./document.js";
import { Id } from "./id.js";
import { elements, members, skipSpaces, valueEnd } from "./scan.js";

/** Says what stands where something else was expected. */
export class TypeMismatch extends Error {
  constructor(place, expected, text) {
    super(`${place === "" ? "the whole" : place} is ${shortened(text)}, expected is ${expected}`);
    this.name = "TypeMismatch";
  }
}

function shortened(text) {
  return text === undefined ? "missing" : text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** Reads a JSON text as a value of its kind. */
export class Type {
  /** `read` gets the text, where the value stands in it, and its place in words. */
  constructor(expected, read, { isOptional = false } = {}) {
    this.expected = expected;
    this.read = read;
    this.isOptional = isOptional;
    Object.freeze(this);
  }

  /** The value that a JSON text holds. */
  parse(text) {
    const start = skipSpaces(text, 0);
    return this.read(text, start, valueEnd(text, start), "");
  }
}

function scalar(expected, convert) {
  return new Type(expected, (text, start, end, place) => {
    const raw = text.slice(start, end);
    const value = convert(raw);
    if (value === undefined) throw new TypeMismatch(place, expected, raw);
    return value;
  });
}

const WHOLE = /^-?\d+$/;
const NUMBER = /^-?\d/;
const isText = (raw) => raw.charCodeAt(0) === 34;

/** A text. */
export const text = scalar("a text", (raw) => (isText(raw) ? JSON.parse(raw) : undefined));

/** true or false. */
export const boolean = scalar("true or false", (raw) => (raw === "true" ? true : raw === "false" ? false : undefined));

/** A number of the language: for what a step only looks at. */
export const number = scalar("a number", (raw) => (NUMBER.test(raw) ? Number(raw) : undefined));

/** A whole number that is exact, up to 2^53; larger ones are refused, see `bigint`. */
export const integer = scalar("a whole number up to 2^53", (raw) => {
  const value = WHOLE.test(raw) ? Number(raw) : undefined;
  return Number.isSafeInteger(value) ? value : undefined;
});

/** A whole number of any length. */
export const bigint = scalar("a whole number", (raw) => (WHOLE.test(raw) ? BigInt(raw) : undefined));

/** An exact decimal: a number, or a text with one in it. */
export const decimal = scalar("a decimal number of at most 38 digits", (raw) => {
  try {
    return NUMBER.test(raw) || isText(raw) ? new Decimal(isText(raw) ? JSON.parse(raw) : raw) : undefined;
  } catch {
    return undefined;
  }
});

/** An identifier: a text or a whole number, kept as it came. */
export const id = scalar("an identifier (a text or a whole number)", (raw) => Id.ofJson(raw));

/** Anything, as JSON.parse reads it. */
export const json = scalar("JSON", (raw) => JSON.parse(raw));

/** Anything, as its text. */
export const document = scalar("JSON", (raw) => new Document(raw));

/** One of some texts. */
export function oneOf(...texts) {
  return scalar(`one of ${texts.map((text) => JSON.stringify(text)).join(", ")}`, (raw) => {
    const value = isText(raw) ? JSON.parse(raw) : undefined;
    return texts.includes(value) ? value : undefined;
  });
}

/** A member that may be missing or null: then it is undefined. */
export function optional(type) {
  const read = (text, start, end, place) =>
    text.startsWith("null", start) ? undefined : type.read(text, start, end, place);
  return new Type(`${type.expected}, or nothing`, read, { isOptional: true });
}

/** What may be null, and is null then. */
export function nullable(type) {
  const read = (text, start, end, place) =>
    text.startsWith("null", start) ? null : type.read(text, start, end, place);
  return new Type(`${type.expected}, or null`, read);
}

/** A list of values of one type. */
export function list(type) {
  const expected = "a list";
  return new Type(expected, (text, start, end, place) => {
    if (text[start] !== "[") throw new TypeMismatch(place, expected, text.slice(start, end));
    return elements(text, start).map((found, index) => type.read(text, found.start, found.end, `${place}/${index}`));
  });
}

/** An object whose members have any names, and values of one type. */
export function record(type) {
  const expected = "an object";
  return new Type(expected, (text, start, end, place) => {
    if (text[start] !== "{") throw new TypeMismatch(place, expected, text.slice(start, end));
    const found = {};
    for (const member of members(text, start)) {
      const value = type.read(text, member.start, member.end, `${place}/${member.key}`);
      Object.defineProperty(found, member.key, { value, writable: true, enumerable: true, configurable: true });
    }
    return found;
  });
}

/** An object with these members; others that it has go on untouched. Names are compared exactly. */
export function object(types) {
  const expected = "an object";
  const names = Object.keys(types);
  const wanted = new Set(names);
  return new Type(expected, (text, start, end, place) => {
    if (text[start] !== "{") throw new TypeMismatch(place, expected, text.slice(start, end));
    const places = new Map();
    for (const member of members(text, start)) {
      if (wanted.has(member.key)) places.set(member.key, member);
    }
    const found = {};
    for (const name of names) {
      const member = places.get(name);
      const type = types[name];
      const value = member && type.read(text, member.start, member.end, `${place}/${name}`);
      if (value !== undefined) found[name] = value;
      else if (!type.isOptional) throw new TypeMismatch(`${place}/${name}`, type.expected, undefined);
    }
    return found;
  });
}
