// Owns the promise "what a step did not touch goes on as it came": writes what a step changed into the text that arrived
// and leaves every other character alone. Knows JSON only, nothing of steps.
// Texts are gathered in lists and joined at the end: the engine of a component copies a text that grows each time.
// Invariant: `raw` has been read by JSON.parse; `before` is what the step's type made of it, `after` what the step hands on.

import { differenceOf, ElementsChange, GONE, ListChange, MembersChange } from "./difference.js";
import { COLON, elements, members, OPENING_BRACE, OPENING_BRACKET, skipSpaces, valueEnd, wholeEnd } from "./scan.js";

/**
 * The body that goes on. Where `before` and `after` agree, the step changed nothing, and the characters of `raw` stay:
 * digits, order of members, unknown members, spaces. Throws TooDeep, of difference.js.
 */
export function merge(raw, before, after) {
  const change = differenceOf(before, after);
  if (change === undefined) return raw;
  const start = skipSpaces(raw, 0);
  const end = wholeEnd(raw);
  return raw.slice(0, start) + changed(raw, start, end, change) + raw.slice(end);
}

/** The value between two places of the text, changed. */
function changed(raw, start, end, change) {
  const first = raw[start];
  if (first === "{" && change instanceof MembersChange) {
    return changedFlat(raw, start, end, change) ?? changedMembers(raw, start, end, change);
  }
  if (first === "[" && change instanceof ElementsChange) return changedElements(raw, start, end, change);
  if (first === "[" && change instanceof ListChange) return changedList(raw, start, change);
  return change.text();
}

// What most objects are that stand in long lists: members that are there get other values, and no object or list is
// among them. They are looked for by their names, which is much less work than going from member to member. No answer
// where that could find something else: a quote in a text has a backslash before it, so no text looks like a name here.
function changedFlat(raw, start, end, { names, changes }) {
  if (end - start > FLAT_MAX) return undefined;
  let came = raw.slice(start, end);
  if (came.includes("\\") || came.lastIndexOf("{") > 0 || came.includes("[")) return undefined;
  for (let index = 0; index < names.length; index += 1) {
    if (changes[index] === GONE) return undefined;
    const at = flatValue(came, `"${names[index]}"`);
    if (at < 0) return undefined;
    const text = changes[index].text();
    const first = text.charCodeAt(0);
    if (first === OPENING_BRACE || first === OPENING_BRACKET) return undefined;
    came = came.slice(0, at) + text + came.slice(valueEnd(came, at));
  }
  return came;
}

// Characters.
const FLAT_MAX = 1000;

/** Where the value of the member stands that has this name, with its quotes; -1 if none has, or more than one. */
function flatValue(came, quoted) {
  let found = -1;
  for (let at = came.indexOf(quoted); at >= 0; at = came.indexOf(quoted, at + 1)) {
    const colon = skipSpaces(came, at + quoted.length);
    // A text that says the same is no name.
    if (came.charCodeAt(colon) !== COLON) continue;
    if (found >= 0) return -1;
    found = skipSpaces(came, colon + 1);
  }
  return found;
}

// Members keep their place. Gone is what the type knew and no longer writes; new members follow at the end.
function changedMembers(raw, start, end, change) {
  const came = members(raw, start);
  // A key that stands twice: the last one counts, as it does for every reader that accepts it at all.
  const last = new Map();
  for (let index = 0; index < came.length; index += 1) last.set(came[index].key, index);
  const changes = new Map();
  for (let index = 0; index < change.names.length; index += 1) changes.set(change.names[index], change.changes[index]);
  const out = [];
  // What is not yet written begins here.
  let from = start;
  let isFirst = true;
  for (let index = 0; index < came.length; index += 1) {
    const member = came[index];
    const its = changes.get(member.key);
    if (its === GONE) {
      // With what stood before it; a first one with what stands behind it.
      out.push(raw.slice(from, isFirst ? Math.max(from, came[0].at) : came[index - 1].end));
      from = isFirst && index + 1 < came.length ? came[index + 1].at : member.end;
      continue;
    }
    isFirst = false;
    if (its === undefined || last.get(member.key) !== index) continue;
    out.push(raw.slice(from, member.start), changed(raw, member.start, member.end, its));
    from = member.end;
  }
  const close = came.length > 0 ? came[came.length - 1].end : end - 1;
  out.push(came.length > 0 ? raw.slice(from, close) : "{");
  for (const [key, its] of changes) {
    if (its === GONE || last.has(key)) continue;
    out.push(`${isFirst ? "" : ","}${JSON.stringify(key)}:${its.text()}`);
    isFirst = false;
  }
  out.push(raw.slice(close, end));
  return out.join("");
}

function changedElements(raw, start, end, change) {
  const came = elements(raw, start);
  if (came.length !== change.count) return change.text();
  const out = [];
  let from = start;
  for (const part of change.parts) {
    out.push(raw.slice(from, came[part.index].start), partText(raw, came, part));
    from = came[part.index].end;
  }
  out.push(raw.slice(from, end));
  return out.join("");
}

function changedList(raw, start, change) {
  const came = elements(raw, start);
  if (came.length !== change.count) return change.text();
  return `[${change.parts.map((part) => partText(raw, came, part)).join(",")}]`;
}

function partText(raw, came, { partner, change }) {
  if (partner < 0) return change.text();
  const { start, end } = came[partner];
  return change === undefined ? raw.slice(start, end) : changed(raw, start, end, change);
}
