// A body as its text: what is not set or deleted stays as it came, digit for digit and in its order.
// Places are JSON pointers (RFC 6901): /lines/0/item; the empty pointer is the whole.

import { Exact, mustWrite } from "./exact.js";
import { elements, members, skipSpaces, valueEnd } from "./scan.js";

export class Document extends Exact {
  #text;

  constructor(text) {
    super();
    JSON.parse(text);
    this.#text = text.trim();
  }

  /** The JSON text at a place; undefined if there is none. */
  text(pointer = "") {
    const place = this.#find(namesOf(pointer));
    return place && this.#text.slice(place.start, place.end);
  }

  /** The value at a place, read by a type (see types.js) or as JSON.parse does it; undefined if there is none. */
  get(pointer, type) {
    const text = this.text(pointer);
    if (text === undefined) return undefined;
    return type === undefined ? JSON.parse(text) : type.parse(text);
  }

  /**
   * Puts a value at a place: in the place of what stands there, as a new last member of an object, or, with the index "-",
   * as a new last element of an array. The object or array around it must be there.
   */
  set(pointer, value) {
    const text = mustWrite(`the value for ${pointer}`, value);
    const names = namesOf(pointer);
    const place = this.#find(names);
    if (place) {
      this.#put(place.start, place.end, text);
      return this;
    }
    const around = this.#find(names.slice(0, -1));
    const name = names[names.length - 1];
    const open = around && this.#text[around.start];
    if (open === "{") this.#append(around, `${JSON.stringify(name)}:${text}`);
    else if (open === "[" && name === "-") this.#append(around, text);
    else throw new RangeError(`nothing can be set at ${pointer}: there is nothing around it that could hold it`);
    return this;
  }

  /** Takes the member of an object away, or the element of an array; false if there was none. */
  delete(pointer) {
    const names = namesOf(pointer);
    if (names.length === 0) throw new RangeError("the whole document cannot be deleted; answer replaced(…) instead");
    const place = this.#find(names);
    if (place === undefined) return false;
    const parts = partsOf(this.#text, this.#find(names.slice(0, -1)).start);
    const index = parts.findIndex((part) => part.end === place.end);
    const isFirst = index === 0;
    const from = isFirst ? parts[0].at : parts[index - 1].end;
    const to = isFirst && parts.length > 1 ? parts[1].at : place.end;
    this.#put(from, to, "");
    return true;
  }

  toString() {
    return this.#text;
  }

  /** Inside a larger value JSON.stringify writes what the document says, with the numbers of the language. */
  toJSON() {
    super.toJSON();
    return JSON.parse(this.#text);
  }

  jsonText() {
    return this.#text;
  }

  #put(start, end, text) {
    this.#text = this.#text.slice(0, start) + text + this.#text.slice(end);
  }

  #append(around, text) {
    const parts = partsOf(this.#text, around.start);
    const end = parts.length > 0 ? parts[parts.length - 1].end : around.end - 1;
    this.#put(end, end, parts.length > 0 ? `,${text}` : text);
  }

  #find(names) {
    const start = skipSpaces(this.#text, 0);
    let place = { start, end: valueEnd(this.#text, start) };
    for (const name of names) {
      const open = this.#text[place.start];
      if (open === "{") {
        // A key that stands twice: the last one counts.
        place = members(this.#text, place.start).findLast((member) => member.key === name);
      } else if (open === "[" && /^(0|[1-9]\d*)$/.test(name)) {
        place = elements(this.#text, place.start)[Number(name)];
      } else {
        return undefined;
      }
      if (place === undefined) return undefined;
    }
    return place;
  }
}

function partsOf(text, start) {
  return text[start] === "{" ? members(text, start) : elements(text, start);
}

function namesOf(pointer) {
  if (pointer === "") return [];
  if (!pointer.startsWith("/"))
    throw new RangeError(`${pointer} is no JSON pointer: it begins with a slash, as in /lines/0`);
  return pointer
    .slice(1)
    .split("/")
    .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
}
