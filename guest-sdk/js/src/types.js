// What a step reads of a body, declared: `export const body = object({ account: id, amount: decimal })`. A type reads
// numbers from the text itself, so that no digit is lost, and says in words what does not fit.

import { Decimal } from "./decimal.js";
import { Document } from "./document.js";
import { Id } from "./id.js";
import { elements, members, skipSpaces, wholeEnd } from "./scan.js";

/** Says what stands where something else was expected. */
export class TypeMismatch extends Error {
  #place = "";
  #words;

  constructor(expected, text) {
    super();
    this.name = "TypeMismatch";
    this.#words = `is ${shortened(text)}, expected is ${expected}`;
    this.#tell();
  }

  /** The same, seen from the object or list around it. */
  within(name) {
    this.#place = `/${name}${this.#place}`;
    this.#tell();
    return this;
  }

  #tell() {
    this.message = `${this.#place === "" ? "the whole" : this.#place} ${this.#words}`;
  }
}

/** What a part could not be read as, with where the part stands; anything else that was thrown stays what it is. */
function told(error, name) {
  return error instanceof TypeMismatch ? error.within(name) : error;
}

function shortened(text) {
  return text === undefined ? "missing" : text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** Reads a JSON text as a value of its kind. */
export class Type {
  /** `read` gets the text, and where the value stands in it. */
  constructor(expected, read, { isOptional = false } = {}) {
    this.expected = expected;
    this.read = read;
    this.isOptional = isOptional;
    Object.freeze(this);
  }

  /** The value that a JSON text holds. */
  parse(text) {
    return this.read(text, skipSpaces(text, 0), wholeEnd(text));
  }
}

function scalar(expected, convert) {
  return new Type(expected, (text, start, end) => {
    const raw = text.slice(start, end);
    const value = convert(raw);
    if (value === undefined) throw new TypeMismatch(expected, raw);
    return value;
  });
}

const WHOLE = /^-?\d+$/;
const NUMBER = /^-?\d/;
const isText = (raw) => raw.charCodeAt(0) === 34;
const textOf = (raw) => (raw.includes("\\") ? JSON.parse(raw) : raw.slice(1, -1));

/** A text. */
export const text = scalar("a text", (raw) => (isText(raw) ? textOf(raw) : undefined));

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
    return NUMBER.test(raw) || isText(raw) ? new Decimal(isText(raw) ? textOf(raw) : raw) : undefined;
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
    const value = isText(raw) ? textOf(raw) : undefined;
    return texts.includes(value) ? value : undefined;
  });
}

/** A member that may be missing or null: then it is undefined. */
export function optional(type) {
  const read = (text, start, end) => (text.startsWith("null", start) ? undefined : type.read(text, start, end));
  return new Type(`${type.expected}, or nothing`, read, { isOptional: true });
}

/** What may be null, and is null then. */
export function nullable(type) {
  const read = (text, start, end) => (text.startsWith("null", start) ? null : type.read(text, start, end));
  return new Type(`${type.expected}, or null`, read);
}

/** A list of values of one type. */
export function list(type) {
  const expected = "a list";
  return new Type(expected, (text, start, end) => {
    if (text[start] !== "[") throw new TypeMismatch(expected, text.slice(start, end));
    const places = elements(text, start);
    let index = 0;
    try {
      for (; index < places.length; index += 1) {
        const place = places[index];
        places[index] = type.read(text, place.start, place.end);
      }
    } catch (error) {
      throw told(error, index);
    }
    return places;
  });
}

/** An object whose members have any names, and values of one type. */
export function record(type) {
  const expected = "an object";
  return new Type(expected, (text, start, end) => {
    if (text[start] !== "{") throw new TypeMismatch(expected, text.slice(start, end));
    const found = {};
    for (const member of members(text, start)) {
      let value;
      try {
        value = type.read(text, member.start, member.end);
      } catch (error) {
        throw told(error, member.key);
      }
      Object.defineProperty(found, member.key, { value, writable: true, enumerable: true, configurable: true });
    }
    return found;
  });
}

/** An object with these members; others that it has go on untouched. Names are compared exactly. */
export function object(types) {
  const expected = "an object";
  const names = Object.keys(types);
  const places = new Map(names.map((name, place) => [name, place]));
  return new Type(expected, (text, start, end) => {
    if (text[start] !== "{") throw new TypeMismatch(expected, text.slice(start, end));
    const came = [];
    for (const member of members(text, start)) {
      const place = places.get(member.key);
      if (place !== undefined) came[place] = member;
    }
    const found = {};
    let place = 0;
    try {
      for (; place < names.length; place += 1) {
        const name = names[place];
        const type = types[name];
        const member = came[place];
        const value = member && type.read(text, member.start, member.end);
        if (value !== undefined) found[name] = value;
        else if (!type.isOptional) throw new TypeMismatch(type.expected, undefined);
      }
    } catch (error) {
      throw told(error, names[place]);
    }
    return found;
  });
}
