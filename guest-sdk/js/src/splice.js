// Owns the promise "what a step did not touch goes on as it came": writes what a step changed into the text that arrived
// and leaves every other character alone. Knows JSON only, nothing of steps.
// Texts are gathered in lists and joined at the end: the engine of a component copies a text that grows each time.
// Invariant: `raw` has been read by JSON.parse; `before` is what the step's type made of it, `after` what the step hands on.

import { Exact, plainOf, write } from "./exact.js";
import { elements, members, skipSpaces, valueEnd } from "./scan.js";

/**
 * The body that goes on. Where `before` and `after` agree, the step changed nothing, and the characters of `raw` stay:
 * digits, order of members, unknown members, spaces.
 */
export function merge(raw, before, after) {
  const was = node(before);
  const is = node(after);
  if (was.text === is.text) return raw;
  const start = skipSpaces(raw, 0);
  return raw.slice(0, start) + merged(raw, start, valueEnd(raw, start), was, is) + raw.slice(valueEnd(raw, start));
}

function merged(raw, start, end, was, is) {
  const came = raw.slice(start, end);
  if (was.text === is.text) return came;
  const kind = kindOf(raw, start);
  if (kind === SCALAR || was.kind !== kind || is.kind !== kind) return is.text;
  // Written as this SDK would write it: then the parts need not be looked for in the text.
  const written = came === was.text;
  return kind === OBJECT
    ? mergedObject(raw, start, end, was, is, written)
    : mergedArray(raw, start, end, was, is, written);
}

// Members keep their place. Gone is what the type knew and no longer writes; new members follow at the end.
function mergedObject(raw, start, end, was, is, written) {
  const old = was.members();
  const next = is.members();
  if (written) return mergedWritten(old, next);
  const came = members(raw, start);
  // A key that stands twice: the last one counts, as it does for every reader that accepts it at all.
  const last = new Map(came.map((member, index) => [member.key, index]));
  const out = [raw.slice(start, came.length > 0 ? came[0].at : start + 1)];
  let isFirst = true;
  came.forEach((member, index) => {
    const before = old.get(member.key);
    const after = next.get(member.key);
    if (before !== undefined && after === undefined) return;
    if (!isFirst) out.push(raw.slice(came[index - 1].end, member.at));
    isFirst = false;
    out.push(raw.slice(member.at, member.start));
    if (last.get(member.key) !== index || after === undefined) out.push(raw.slice(member.start, member.end));
    else if (before === undefined) out.push(after.text);
    else out.push(merged(raw, member.start, member.end, before, after));
  });
  for (const [key, after] of next) {
    // What the type filled in by itself (a default) is no change of the step's.
    if (last.has(key) || old.get(key)?.text === after.text) continue;
    out.push(`${isFirst ? "" : ","}${JSON.stringify(key)}:${after.text}`);
    isFirst = false;
  }
  out.push(raw.slice(came.length > 0 ? came[came.length - 1].end : end - 1, end));
  return out.join("");
}

function mergedWritten(old, next) {
  const parts = [];
  for (const [key, before] of old) {
    const after = next.get(key);
    if (after === undefined) continue;
    parts.push(`${JSON.stringify(key)}:${merged(before.text, 0, before.text.length, before, after)}`);
  }
  for (const [key, after] of next) {
    if (!old.has(key)) parts.push(`${JSON.stringify(key)}:${after.text}`);
  }
  return `{${parts.join(",")}}`;
}

// Elements have no names, so each new one is paired with the old one it most likely is. Unpaired ones are written as the
// type has them.
function mergedArray(raw, start, end, was, is, written) {
  const olds = was.elements();
  const news = is.elements();
  const came = written ? placesOfWritten(start, olds) : elements(raw, start);
  if (came.length !== olds.length) return is.text;
  const partners = pair(olds, news);
  const keepsLayout = came.length === news.length && came.length > 0;
  const out = [keepsLayout ? raw.slice(start, came[0].start) : "["];
  news.forEach((after, index) => {
    if (index > 0) out.push(keepsLayout ? raw.slice(came[index - 1].end, came[index].start) : ",");
    const place = partners[index];
    out.push(place < 0 ? after.text : merged(raw, came[place].start, came[place].end, olds[place], after));
  });
  out.push(keepsLayout ? raw.slice(came[came.length - 1].end, end) : "]");
  return out.join("");
}

function placesOfWritten(start, olds) {
  let at = start + 1;
  return olds.map((old) => {
    const place = { start: at, end: at + old.text.length };
    at = place.end + 1;
    return place;
  });
}

// For each new element the index of the old one it stands for, or -1: the same text at the same place, then the same text
// elsewhere, then (as many as before) the one at the same place.
function pair(olds, news) {
  const taken = olds.map((old, index) => index < news.length && old.text === news[index].text);
  const partners = news.map((_, index) => (taken[index] === true ? index : -1));
  const free = new Map();
  olds.forEach((old, index) => {
    if (taken[index]) return;
    const places = free.get(old.text);
    if (places === undefined) free.set(old.text, [index]);
    else places.push(index);
  });
  const used = new Map();
  news.forEach((after, index) => {
    if (partners[index] >= 0) return;
    const count = used.get(after.text) ?? 0;
    const place = free.get(after.text)?.[count];
    if (place === undefined) return;
    used.set(after.text, count + 1);
    partners[index] = place;
    taken[place] = true;
  });
  if (olds.length === news.length) {
    partners.forEach((partner, index) => {
      if (partner < 0 && !taken[index]) partners[index] = index;
    });
  }
  return partners;
}

const OBJECT = "object";
const ARRAY = "array";
const SCALAR = "scalar";

function kindOf(text, at) {
  const first = text[at];
  return first === "{" ? OBJECT : first === "[" ? ARRAY : SCALAR;
}

/** A value, or a piece of a JSON text, with its own text and its parts. */
function node(value) {
  const plain = plainOf(value);
  return plain instanceof Exact ? new TextNode(plain.jsonText()) : new ValueNode(plain);
}

class ValueNode {
  constructor(value) {
    this.value = value;
    this.text = write(value) ?? "null";
    this.kind = kindOf(this.text, 0);
  }

  members() {
    const found = new Map();
    for (const key of Object.keys(this.value)) {
      const value = this.value[key];
      if (value !== undefined && typeof value !== "function" && typeof value !== "symbol") found.set(key, node(value));
    }
    return found;
  }

  elements() {
    return this.value.map(node);
  }
}

class TextNode {
  constructor(text) {
    this.text = text;
    this.kind = kindOf(text, 0);
  }

  members() {
    return new Map(
      members(this.text, 0).map(({ key, start, end }) => [key, new TextNode(this.text.slice(start, end))]),
    );
  }

  elements() {
    return elements(this.text, 0).map(({ start, end }) => new TextNode(this.text.slice(start, end)));
  }
}
