// What an author's editor knows: the types that are inferred from a declared body. Compiled, and never run.

import {
  bigint,
  type Context,
  type Decimal,
  decimal,
  type Done,
  document,
  done,
  type Id,
  id,
  type Infer,
  list,
  object,
  oneOf,
  optional,
  Rejected,
  text,
} from "saga-step";
import * as config from "saga-step/config";
import * as keyvalue from "saga-step/keyvalue";
import { TestHost } from "saga-step/testing";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function check<_ extends true>() {}

const body = object({
  account: id,
  amount: decimal,
  kind: oneOf("a", "b"),
  note: optional(text),
  lines: list(object({ count: bigint })),
});
type Body = Infer<typeof body>;

check<Same<Body["account"], Id>>();
check<Same<Body["amount"], Decimal>>();
check<Same<Body["kind"], "a" | "b">>();
check<Same<Body["note"], string | undefined>>();
check<Same<Body["lines"][number]["count"], bigint>>();

const whole: Body = { account: null as never, amount: null as never, kind: "a", lines: [] };
// @ts-expect-error: what is not optional must be there
const missing: Body = { account: whole.account, amount: whole.amount, lines: [] };
// @ts-expect-error: decimals are not numbers
const sum: number = whole.amount + 1;

export const compensationLog = document;

export function handle(context: Context, given: Body): Done {
  // @ts-expect-error: what the host told is not changed
  context.attempt = 2;
  if (given.amount.compare("10") > 0) throw new Rejected("too-much", `${given.amount}`, { missing, sum });
  const total: Decimal | undefined = keyvalue.own().get("total", decimal);
  const limit: number | undefined = config.parse("limit", Number);
  return done({ ...given, total, limit }).withCompensation(given.amount);
}

export function compensate(_context: Context, given: Body, log?: { text(): string | undefined }): Done {
  return done({ ...given, note: log?.text() });
}

const host = new TestHost({ handle, compensate, body, compensationLog }).config("limit", "1");
const amount: Decimal | undefined = host.value("total", { type: decimal });
host.handle({ amount }).rejected().code.toUpperCase();
