// A step's manifest, as far as a test needs it: tables, texts and lists of texts. The host reads it in full and is stricter.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ADDRESSED = /^([a-z0-9][a-z0-9-]*\.){3}toml$/;

/** The one manifest in a folder. */
export function readManifest(folder) {
  const names = readdirSync(folder).filter((name) => ADDRESSED.test(name));
  if (names.length !== 1) {
    throw new Error(
      `${folder} must hold one <domain>.<subdomain>.<service>.toml, it holds ${names.join(", ") || "none"}`,
    );
  }
  const [name] = names;
  const text = readFileSync(join(folder, name), "utf8");
  return { address: name.slice(0, -".toml".length), manifest: parseManifest(text, name) };
}

export function parseManifest(text, name = "the manifest") {
  const found = { grants: [], shared: [], topics: [], config: new Map() };
  let table = "";
  let open = "";
  text.split("\n").forEach((raw, number) => {
    const line = (open + withoutComment(raw)).trim();
    open = "";
    const header = /^\[+\s*([^[\]=]*?)\s*\]+$/.exec(line);
    if (header) {
      table = header[1];
      return;
    }
    const at = line.indexOf("=");
    if (at < 0) return;
    const key = line.slice(0, at).trim().replaceAll('"', "");
    const value = line.slice(at + 1).trim();
    if (value.startsWith("[") && !value.endsWith("]")) {
      open = line;
      return;
    }
    try {
      take(found, table, key, value);
    } catch (cause) {
      throw new Error(`${name}, line ${number + 1}: ${cause.message}`, { cause });
    }
  });
  return found;
}

const LISTS = { "/grants": "grants", "keyvalue/shared": "shared", "events/topics": "topics" };

function take(found, table, key, value) {
  const list = LISTS[`${table}/${key}`];
  // A comma after the last element is TOML and no JSON.
  if (list) found[list] = JSON.parse(value.replace(/,\s*\]$/, "]"));
  if (table !== "config") return;
  const isLiteral = /^'.*'$/.test(value);
  if (!isLiteral && !/^".*"$/.test(value))
    throw new Error(`[config] ${key} must be a text, it is ${value}; put it in quotes`);
  found.config.set(key, isLiteral ? value.slice(1, -1) : JSON.parse(value));
}

/** Takes off what follows a # outside quotes. */
function withoutComment(line) {
  return /^(?:[^#"']|"(?:[^"\\]|\\.)*"|'[^']*')*/.exec(line)[0];
}
