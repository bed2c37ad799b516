// The texts under [config] in the step's manifest.
export function get(key: string): string | undefined;
export function parse<T>(key: string, read: (text: string) => T): T | undefined;
export function all(): Record<string, string>;
