// A host made of memory, for tests.
import type { Context, Done, Type } from "./index.js";

export interface StepModule {
  handle(context: Context, body: any): Done;
  compensate(context: Context, body: any, log: any): Done;
  body?: Type<any>;
  compensationLog?: Type<any>;
}

export interface TestContext {
  globalId: string;
  useCase: string | undefined;
  useCaseVersion: number | undefined;
  address: string;
  position: number;
  attempt: number;
  deadline: string | undefined;
  signalled: string | undefined;
  failure: Context["failure"];
  headers: [string, string][];
}

export class TestHost {
  constructor(module: StepModule);
  context: TestContext;
  manifestIn(folder: string): this;
  config(key: string, text: string): this;
  shared(name: string): this;
  put(bucket: string, key: string, value: unknown): this;
  value(key: string, options?: { bucket?: string }): any;
  value<T>(key: string, options: { bucket?: string; type: Type<T> }): T | undefined;
  keys(bucket?: string): string[];
  handle(body: unknown): Run;
  compensate(body: unknown, log?: unknown): Run;
  undo(run: Run): Run;
}

export class Run {
  private constructor();
  readonly logs: readonly { level: string; context: string; message: string }[];
  readonly events: readonly { topic: string; body: string }[];
  readonly signals: readonly string[];
  done(): { body: string; compensation: string | undefined };
  body(): any;
  body<T>(type: Type<T>): T;
  compensation(): any;
  compensation<T>(type: Type<T>): T | undefined;
  rejected(): { code: string; reason: string; details: string | undefined };
  retry(): { reason: string; afterMs: number | undefined };
  waits(): { key: string; reason: string; timeoutMs: number | undefined };
  logged(text: string): boolean;
}
