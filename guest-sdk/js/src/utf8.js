// UTF-8 by hand: the engine of a component has no TextEncoder. Lone surrogates and bytes that are no UTF-8 become U+FFFD.

const BLOCK = 4096;

export function encode(text) {
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code < 0x80) {
      bytes[length++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const low = code < 0xdc00 ? text.charCodeAt(at + 1) : 0;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 1;
      } else {
        code = 0xfffd;
      }
    }
    if (code < 0x800) {
      bytes[length++] = 0xc0 | (code >> 6);
    } else {
      if (code < 0x10000) {
        bytes[length++] = 0xe0 | (code >> 12);
      } else {
        bytes[length++] = 0xf0 | (code >> 18);
        bytes[length++] = 0x80 | ((code >> 12) & 63);
      }
      bytes[length++] = 0x80 | ((code >> 6) & 63);
    }
    bytes[length++] = 0x80 | (code & 63);
  }
  return bytes.slice(0, length);
}

export function decode(bytes) {
  let text = "";
  let units = [];
  const flush = () => {
    text += String.fromCharCode.apply(null, units);
    units = [];
  };
  for (let at = 0; at < bytes.length; ) {
    const [code, size] = codeAt(bytes, at);
    at += size;
    if (code < 0x10000) units.push(code);
    else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
    if (units.length >= BLOCK) flush();
  }
  flush();
  return text;
}

const BROKEN = [0xfffd, 1];

function codeAt(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
  if (more === 0 || first >= 0xf5 || at + more >= bytes.length) return BROKEN;
  let code = first & (0x3f >> more);
  for (let index = 1; index <= more; index += 1) {
    const next = bytes[at + index];
    if ((next & 0xc0) !== 0x80) return BROKEN;
    code = (code << 6) | (next & 63);
  }
  const isShorter = code < [0, 0x80, 0x800, 0x10000][more];
  if (isShorter || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return BROKEN;
  return [code, more + 1];
}
