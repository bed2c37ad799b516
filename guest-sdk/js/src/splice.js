// Owns the promise "what a step did not touch goes on as it came": writes what a step changed into the text that arrived
// and leaves every other character alone. Knows JSON only, nothing of steps.
// Texts are gathered in lists and joined at the end: the engine of a component copies a text that grows each time.
// Invariant: `raw` has been read by JSON.parse; `before` is what the step's type made of it, `after` what the step hands on.

import { difference, ElementsChange, GONE, ListChange, MembersChange } from "./difference.js";
import { elements, members, skipSpaces, wholeEnd } from "./scan.js";

/**
 * The body that goes on. Where `before` and `after` agree, the step changed nothing, and the characters of `raw` stay:
 * digits, order of members, unknown members, spaces.
 */
export function merge(raw, before, after) {
  const change = difference(before, after);
  if (change === undefined) return raw;
  const start = skipSpaces(raw, 0);
  const end = wholeEnd(raw);
  return raw.slice(0, start) + changed(raw, start, end, change) + raw.slice(end);
}

/** The value between two places of the text, changed. */
function changed(raw, start, end, change) {
  const first = raw[start];
  if (first === "{" && change instanceof MembersChange) return changedObject(raw, start, end, change);
  if (first === "[" && change instanceof ElementsChange) return changedElements(raw, start, end, change);
  if (first === "[" && change instanceof ListChange) return changedList(raw, start, change);
  return change.text();
}

// Members keep their place. Gone is what the type knew and no longer writes; new members follow at the end.
function changedObject(raw, start, end, change) {
  const came = members(raw, start);
  // A key that stands twice: the last one counts, as it does for every reader that accepts it at all.
  const last = new Map(came.map((member, index) => [member.key, index]));
  const out = [];
  // What is not yet written begins here.
  let from = start;
  let isFirst = true;
  came.forEach((member, index) => {
    const its = change.members.get(member.key);
    if (its === GONE) {
      // With what stood before it; a first one with what stands behind it.
      out.push(raw.slice(from, isFirst ? Math.max(from, came[0].at) : came[index - 1].end));
      from = isFirst && index + 1 < came.length ? came[index + 1].at : member.end;
      return;
    }
    isFirst = false;
    if (its === undefined || last.get(member.key) !== index) return;
    out.push(raw.slice(from, member.start), changed(raw, member.start, member.end, its));
    from = member.end;
  });
  const close = came.length > 0 ? came[came.length - 1].end : end - 1;
  out.push(came.length > 0 ? raw.slice(from, close) : "{");
  for (const [key, its] of change.members) {
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
