// State that a step keeps between calls.
import type { Type } from "./index.js";

export class NoSuchBucket extends Error {}
export class AccessDenied extends Error {}

export interface Bucket {
  get(key: string): any;
  get<T>(key: string, type: Type<T>): T | undefined;
  set(key: string, value: unknown): void;
  getBytes(key: string): Uint8Array | undefined;
  setBytes(key: string, bytes: Uint8Array): void;
  delete(key: string): void;
  has(key: string): boolean;
  keys(): string[];
  keysPage(cursor?: string): { keys: string[]; next: string | undefined };
}

export function own(): Bucket;
export function shared(name: string): Bucket;
