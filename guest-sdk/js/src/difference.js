// What a step changed: the difference of two values, as JSON has them. Knows nothing of texts that came; see splice.js.
// No number is a key of a Map here: the engine of a component finds those slowly.
// Compares values and not their texts: an unchanged megabyte costs a walk, and what is written is only what changed.

import { Exact, plainOf, write } from "./exact.js";

/** The member is no longer there. */
export const GONE = Symbol("gone");

/** A value in the place of another: the whole of it, if no more is known. */
export class Change {
  constructor(value) {
    this.value = value;
  }

  /** The new value as a JSON text. */
  text() {
    return write(this.value) ?? "null";
  }
}

/** An object of which the members with these names changed, each by a change or GONE; new ones stand as they follow. */
export class MembersChange extends Change {
  constructor(value, names, changes) {
    super(value);
    this.names = names;
    this.changes = changes;
  }
}

/** A list that is as long as before: `parts` has the elements that changed. `count` is how many there are. */
export class ElementsChange extends Change {
  constructor(value, count, parts) {
    super(value);
    this.count = count;
    this.parts = parts;
  }
}

/** A list of another length: `parts` has all its elements. `count` is how many there were before. */
export class ListChange extends Change {
  constructor(value, count, parts) {
    super(value);
    this.count = count;
    this.parts = parts;
  }
}

/** An element: its index, the old one that it is, or -1 if it is new, and how it differs from that one. */
class Part {
  constructor(index, partner, change) {
    this.index = index;
    this.partner = partner;
    this.change = change;
  }
}

/** Both values are nested deeper than this walks: the engine of a component has no more room for its own calls. */
export class TooDeep extends Error {}

/** Levels that are walked. */
const DEPTH_MAX = 200;

let depth = 0;

/** How `after` differs from `before`; undefined if both are the same JSON. Throws TooDeep. */
export function differenceOf(before, after) {
  // An error before may have left it anywhere.
  depth = 0;
  return difference(before, after);
}

function difference(before, after) {
  if (before === after) return undefined;
  const is = isPlain(after) ? after : plainOf(after);
  if (isObject(is)) {
    const was = isPlain(before) ? before : opened(before);
    if (isObject(was) && Array.isArray(is) === Array.isArray(was)) return within(was, is);
  }
  return textOf(before) === textOf(is) ? undefined : new Change(is);
}

function within(was, is) {
  if (depth === DEPTH_MAX) throw new TooDeep(`nested deeper than ${DEPTH_MAX} levels`);
  depth += 1;
  let change;
  if (!Array.isArray(is)) change = ofMembers(was, is);
  else change = was.length === is.length ? ofElements(was, is) : ofLengths(was, is);
  depth -= 1;
  return change;
}

function textOf(value) {
  return value instanceof Exact ? value.jsonText() : (write(value) ?? "null");
}

function isObject(value) {
  return typeof value === "object" && value !== null && !(value instanceof Exact);
}

/** What JSON.parse makes of an object or a list, and most of what a step makes: told quickly, for most values are. */
function isPlain(value) {
  if (typeof value !== "object" || value === null || value.toJSON !== undefined) return false;
  return value.constructor === Object || value.constructor === Array;
}

/** A text that is an object or a list, to be compared with one. */
function opened(value) {
  const plain = plainOf(value);
  return plain instanceof Exact ? JSON.parse(plain.jsonText()) : plain;
}

/** What JSON.stringify leaves out of an object, and writes as null in a list. */
function isNothing(value) {
  return value === undefined || typeof value === "function" || typeof value === "symbol";
}

function elementOf(value) {
  return isNothing(value) ? null : value;
}

function ofMembers(was, is) {
  let changed;
  let changes;
  const names = Object.keys(was);
  const next = Object.keys(is);
  // As long as the names are the same ones in the same places, none is looked for.
  let areAlike = names.length === next.length;
  for (let index = 0; index < next.length; index += 1) {
    const name = next[index];
    const isAlike = names[index] === name;
    const before = isAlike || Object.hasOwn(was, name) ? was[name] : undefined;
    const after = is[name];
    if (!isAlike || after === undefined) areAlike = false;
    if (before === after || isNothing(after)) continue;
    const change = isNothing(before) ? new Change(after) : difference(before, after);
    if (change === undefined) continue;
    changed ??= [];
    changes ??= [];
    changed.push(name);
    changes.push(change);
  }
  for (const name of areAlike ? [] : names) {
    if (isNothing(was[name]) || (Object.hasOwn(is, name) && !isNothing(is[name]))) continue;
    changed ??= [];
    changes ??= [];
    changed.push(name);
    changes.push(GONE);
  }
  return changed && new MembersChange(is, changed, changes);
}

// An element that changed may be another one that moved: then it is that one, with its digits. Otherwise it is the one
// that stood there, unless that one moved away.
function ofElements(was, is) {
  const indices = [];
  const changes = [];
  for (let index = 0; index < is.length; index += 1) {
    if (was[index] === is[index]) continue;
    const change = difference(elementOf(was[index]), elementOf(is[index]));
    if (change === undefined) continue;
    indices.push(index);
    changes.push(change);
  }
  if (indices.length === 0) return undefined;
  const moved = indices.length === 1 ? [-1] : partners(was, is, indices, indices);
  const hasLeft = [];
  for (const partner of moved) if (partner >= 0) hasLeft[partner] = true;
  const parts = indices.map((index, place) => {
    if (moved[place] >= 0) return new Part(index, moved[place], undefined);
    return hasLeft[index] ? new Part(index, -1, new Change(is[index])) : new Part(index, index, changes[place]);
  });
  return new ElementsChange(is, was.length, parts);
}

function isSame(before, after) {
  return difference(elementOf(before), elementOf(after)) === undefined;
}

// What stands at both ends stayed; what is between is what it was elsewhere, or new.
function ofLengths(was, is) {
  const shorter = Math.min(was.length, is.length);
  let head = 0;
  while (head < shorter && isSame(was[head], is[head])) head += 1;
  let tail = 0;
  const isSameFromEnd = (count) => isSame(was[was.length - count], is[is.length - count]);
  while (tail < shorter - head && isSameFromEnd(tail + 1)) tail += 1;
  const between = (length) => Array.from({ length: length - tail - head }, (_, place) => head + place);
  const moved = partners(was, is, between(was.length), between(is.length));
  const parts = is.map((value, index) => {
    if (index < head) return new Part(index, index, undefined);
    if (index >= is.length - tail) return new Part(index, index - is.length + was.length, undefined);
    const partner = moved[index - head];
    return new Part(index, partner, partner < 0 ? new Change(value) : undefined);
  });
  return new ListChange(is, was.length, parts);
}

/** For each of the new indices the old one at which the same stood, or -1; each old one is taken once, in order. */
function partners(was, is, olds, news) {
  const free = new Map();
  const crowded = [];
  for (const index of olds) {
    const sign = signOf(was[index]);
    const places = free.get(sign);
    if (places === undefined) free.set(sign, [index]);
    else if (places.push(index) === LOOK_ALIKES_MAX + 1 && sign.includes("\0")) crowded.push(sign);
  }
  for (const sign of crowded) {
    const byText = new Map();
    for (const index of free.get(sign)) {
      const text = textOf(was[index]);
      if (byText.has(text)) byText.get(text).push(index);
      else byText.set(text, [index]);
    }
    free.set(sign, byText);
    for (const places of byText.values()) places.reverse();
  }
  for (const places of free.values()) if (places.length > 1) places.reverse();
  const found = [];
  for (const index of news) {
    let places = free.get(signOf(is[index]));
    if (places instanceof Map) places = places.get(textOf(is[index]));
    found.push(places === undefined ? -1 : taken(places, was, is, index, olds === news));
  }
  return found;
}

/**
 * Takes the first at which the same stands from `places`, of which the last is the first. Where the indices are those of
 * `is`, its own is no choice.
 */
function taken(places, was, is, index, areItsOwn) {
  for (let place = places.length - 1; place >= 0; place -= 1) {
    const old = places[place];
    if ((areItsOwn && old === index) || !isSame(was[old], is[index])) continue;
    if (place === places.length - 1) places.pop();
    else places.splice(place, 1);
    return old;
  }
  return -1;
}

// If more have the same sign, they are told apart by their texts.
const LOOK_ALIKES_MAX = 4;

/** What two elements share if they are the same: most lists are of objects that begin with what tells them apart. */
function signOf(value) {
  if (isPlain(value) && !Array.isArray(value)) {
    for (const name of Object.keys(value)) {
      const first = value[name];
      if (isNothing(first)) continue;
      // No JSON text has this character in it.
      if (typeof first === "string" || typeof first === "number") return `${name}\0${first}`;
      break;
    }
  }
  return textOf(value);
}
