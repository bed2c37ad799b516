// The types of the SDK's door. Inference goes from a declared type to the value: `Infer<typeof body>`.

/** A value that is its own JSON text. */
export abstract class Exact {
  private readonly brand: "exact";
  toJSON(): unknown;
  jsonText(): string;
}

/** An exact decimal number for money: 0.1 + 0.2 is 0.3, and 12.10 stays 12.10. Never changed once it is made. */
export class Decimal extends Exact {
  constructor(value: string | number | bigint | Decimal);
  static fromUnits(units: number | bigint, scale: number): Decimal;
  plus(other: Decimal | string | number | bigint): Decimal;
  minus(other: Decimal | string | number | bigint): Decimal;
  times(whole: number | bigint): Decimal;
  negated(): Decimal;
  compare(other: Decimal | string | number | bigint): -1 | 0 | 1;
  equals(other: Decimal | string | number | bigint): boolean;
  sign(): -1 | 0 | 1;
  toString(): string;
}

/** An identifier as it comes in the wild, text or whole number; written back as it came. */
export class Id extends Exact {
  constructor(value: string | number | bigint | Id);
  equals(other: Id | string | number | bigint): boolean;
  toString(): string;
}

/** A JSON text; what is not set or deleted stays as it came. Places are JSON pointers (RFC 6901). */
export class Document extends Exact {
  constructor(text: string);
  text(pointer?: string): string | undefined;
  get(pointer: string): unknown;
  get<T>(pointer: string, type: Type<T>): T | undefined;
  set(pointer: string, value: unknown): this;
  delete(pointer: string): boolean;
  toString(): string;
}

/** Reads a JSON text as a value of its kind. */
export class Type<T> {
  private constructor();
  readonly expected: string;
  readonly isOptional: boolean;
  parse(text: string): T;
}

/** A type whose member may be missing. */
export interface Optional<T> extends Type<T | undefined> {
  readonly isOptional: true;
}

/** What a type reads: `type Order = Infer<typeof body>`. */
export type Infer<T> = T extends Type<infer V> ? V : never;

export class TypeMismatch extends Error {}

export const text: Type<string>;
export const boolean: Type<boolean>;
export const number: Type<number>;
export const integer: Type<number>;
export const bigint: Type<bigint>;
export const decimal: Type<Decimal>;
export const id: Type<Id>;
export const json: Type<any>;
export const document: Type<Document>;
export function oneOf<const T extends string>(...texts: T[]): Type<T>;
export function optional<T>(type: Type<T>): Optional<T>;
export function nullable<T>(type: Type<T>): Type<T | null>;
export function list<T>(type: Type<T>): Type<T[]>;
export function record<T>(type: Type<T>): Type<Record<string, T>>;
export function object<M extends Record<string, Type<any>>>(
  types: M,
): Type<
  { [K in keyof M as M[K] extends Optional<any> ? never : K]: Infer<M[K]> } & {
    [K in keyof M as M[K] extends Optional<any> ? K : never]?: Infer<M[K]>;
  }
>;

export type Direction = "handle" | "compensate";

/** What turned the saga round. */
export interface Failure {
  readonly position: number;
  readonly address: string;
  readonly kind: string;
  readonly code: string;
  readonly reason: string;
}

/** What the host knows about this delivery. */
export class Context {
  private constructor();
  readonly globalId: string;
  readonly useCase: string | undefined;
  readonly useCaseVersion: number | undefined;
  readonly address: string;
  readonly position: number;
  readonly direction: Direction;
  readonly attempt: number;
  /** The same for each delivery of this message: hand it to every outside system you write to. */
  readonly idempotencyKey: string;
  readonly deadline: string | undefined;
  readonly signalled: string | undefined;
  readonly failure: Failure | undefined;
  readonly headers: readonly (readonly [string, string])[];
  header(name: string): unknown;
}

/** Made by done, unchanged and replaced. */
export class Done {
  private constructor();
  withCompensation(log: unknown): this;
}

export function done(body: unknown): Done;
export function unchanged(): Done;
export function replaced(body: unknown): Done;
export function nothingToUndo(): Done;

export class Rejected extends Error {
  constructor(code: string, reason: string, details?: unknown);
  readonly code: string;
  readonly details: string | undefined;
}

export class Retry extends Error {
  constructor(reason: string, options?: { afterMs?: number; cause?: unknown });
  readonly afterMs: number | undefined;
}

export class Wait extends Error {
  constructor(key: string, reason: string, options?: { timeoutMs?: number });
  readonly key: string;
  readonly timeoutMs: number | undefined;
}

export const INVALID_BODY: "invalid-body";
export const INVALID_COMPENSATION_LOG: "invalid-compensation-log";
