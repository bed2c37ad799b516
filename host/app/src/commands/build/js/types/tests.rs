//! What is taken out, what is refused, and that nothing moves.

use super::*;

fn erased(text: &str) -> String {
    let out = without("step.ts", text).expect("only types are in it");
    assert_eq!(out.lines().count(), text.lines().count(), "{out}");
    let widths = |text: &str| text.lines().map(|line| line.encode_utf16().count()).collect::<Vec<_>>();
    assert_eq!(widths(&out), widths(text), "a column moved in\n{out}");
    out
}

/// Spaces in a row count as one, so that the cases can be read.
fn squeezed(text: &str) -> String {
    erased(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn types_are_taken_out_and_the_rest_stays() {
    for (typed, plain) in [
        ("const a: number = 1;", "const a = 1;"),
        ("let a!: number;", "let a ;"),
        (
            "function f<T>(this: X, a?: T, ...b: T[]): asserts a is T { return a! }",
            "function f ( a , ...b ) { return a; }",
        ),
        ("const f = async <T,>(a: T): Promise<T> => a as T;", "const f = async (a ) => a ;"),
        ("f<number>(x satisfies Y, new M<K, V>());", "f (x , new M ());"),
        ("try { g() } catch (e: unknown) {}", "try { g() } catch (e ) {}"),
        ("import { type A, b, type C } from \"m\";", "import { b, } from \"m\";"),
        ("export { type A, b };", "export { b };"),
        ("for (const x of y as Z[]) g(x);", "for (const x of y ) g(x);"),
        ("import type { A } from \"m\";", ";"),
        ("export type { A } from \"m\";", ";"),
        ("export interface A { x: number }", ";"),
        ("declare const a: number;", ";"),
        ("declare global { interface Window { x: 1 } }", ";"),
        ("function f(a: string): void;\nfunction f(a: any) {}", "; function f(a ) {}"),
    ] {
        assert_eq!(squeezed(typed), plain, "{typed}");
    }
}

#[test]
fn classes_lose_what_is_only_declared() {
    let typed = "export abstract class A<T> extends B<T> implements C, D {\n  declare x: number;\n  private readonly y?: T = 1;\n\
                   static override z: T;\n  [key: string]: unknown;\n  abstract f(): void;\n  g?(): void;\n  protected h(): T { return 1 }\n}";
    let plain = "export class A extends B { ; ; ; y = 1; static z ; ; ; ; ; h() { return 1 } }";
    assert_eq!(squeezed(typed), plain);
}

#[test]
fn lines_do_not_run_together() {
    assert_eq!(squeezed("const a = b as T\n(c)"), "const a = b ; (c)");
    assert_eq!(squeezed("a\ntype T = 1\n(b)"), "a ; (b)");
    assert_eq!(
        squeezed("class A {\n x: T\n [y] = 1\n z = 1\n private [w] = 2\n}"),
        "class A { x ; [y] = 1 z = 1 ; [w] = 2 }"
    );
    assert_eq!(squeezed("let x: T\n[1].y()"), "let x ; [1].y()");
}

#[test]
fn an_arrow_keeps_its_brackets_in_its_own_line() {
    assert_eq!(
        erased("const f = (a: {\n  b: 1 }): {\n  c: 2\n} => a"),
        "const f = (a   \n            \n      \n) => a"
    );
    assert_eq!(erased("const f = async <\n  T,\n>(a: T) => a"), "const f = async (\n    \n  a   ) => a");
}

#[test]
fn characters_of_two_units_keep_the_columns() {
    assert_eq!(erased("const a: \"😀\" = \"😀\"; b()"), "const a       = \"😀\"; b()");
}

#[test]
fn what_is_more_than_a_type_is_refused_with_its_place() {
    for (text, words) in [
        ("let a = 1;\n  enum E { A }", "step.ts:2:3: an enum is more"),
        ("export const enum E { A }", "step.ts:1:8: an enum is more"),
        ("namespace N { export const a = 1 }", "a namespace with values"),
        ("class A { constructor(private x: number) {} }", "step.ts:1:23: a parameter with"),
        ("let a = <number>b;", "angle brackets"),
        ("import a = require(\"b\");", "CommonJS"),
        ("@d class A {}", "decorators"),
        ("let a: = 1;", "step.ts:1:8: "),
    ] {
        let refused = without("step.ts", text).expect_err(text);
        assert!(refused.contains(words), "{text}: {refused}");
    }
}
