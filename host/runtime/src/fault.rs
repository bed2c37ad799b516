//! From what wasmtime reports to a fault in words that a step's author and an operator can act on:
//! what happened, what the plugin said last, and where it was.

use std::str::Utf8Error;

use host_core::limits::cut;
use host_core::outcome::{Fault, FaultKind};
use wasmtime::{Trap, WasmBacktrace};

use crate::limits;
use crate::sandbox::{Exceeded, Sandbox, handed_over_bytes_max};

/// The fault that an error of a call amounts to. Takes what the plugin has printed.
pub(crate) fn fault(error: &wasmtime::Error, sandbox: &mut Sandbox) -> Fault {
    let (kind, mut reason) = broken_border(error, sandbox).unwrap_or_else(|| what(error));
    let words = last_words(sandbox);
    if !words.is_empty() {
        reason.push_str(": ");
        reason.push_str(&words);
    }
    let frames = frames(error);
    if !frames.is_empty() {
        reason.push_str(" [in ");
        reason.push_str(&frames);
        reason.push(']');
    }
    Fault { kind, reason: cut(&reason, host_core::limits::REASON_BYTES_MAX) }
}

fn what(error: &wasmtime::Error) -> (FaultKind, String) {
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        let kind = match exceeded {
            Exceeded::CallTime(_) | Exceeded::StartTime(_) => FaultKind::TimeLimit,
            Exceeded::Memory { .. } | Exceeded::Table { .. } => FaultKind::MemoryLimit,
        };
        return (kind, exceeded.to_string());
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return (FaultKind::Trap, format!("plugin ended itself with exit code {}", exit.0));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => (FaultKind::Trap, "plugin panicked".to_owned()),
        Some(Trap::StackOverflow) => (FaultKind::Trap, "plugin overflowed its stack".to_owned()),
        Some(Trap::MemoryOutOfBounds) if below_zero(error) || recurses(error) => {
            (FaultKind::Trap, "plugin overflowed its stack (it grew below the start of memory)".to_owned())
        }
        Some(trap) => (FaultKind::Trap, format!("plugin trapped: {trap}")),
        None => (FaultKind::Trap, format!("plugin broke off: {}", first_line(&error.root_cause().to_string()))),
    }
}

/// What the guest handed to the host, in an answer or in a call of a host function, and the host could not take.
/// Wasmtime tells most of it in words only.
fn broken_border(error: &wasmtime::Error, sandbox: &Sandbox) -> Option<(FaultKind, String)> {
    if error.downcast_ref::<Utf8Error>().is_some() {
        let what = "plugin handed over a text that is not UTF-8; encode every text as UTF-8";
        return Some((FaultKind::InvalidOutput, what.to_owned()));
    }
    if error.downcast_ref::<Trap>().is_some() {
        return None;
    }
    let cause = error.root_cause().to_string();
    if cause.contains("fuel allocated for hostcalls") {
        let allowed = handed_over_bytes_max(&sandbox.terms.manifest);
        let what = format!(
            "plugin handed over more than {allowed} bytes at once, in an answer or to a function of the host; hand over \
             less, or raise [limits] output if it needs more"
        );
        return Some((FaultKind::OutputLimit, what));
    }
    const MISREAD: [&str; 5] = ["out of bounds of memory", "not aligned", "discriminant", "realloc", "char::"];
    MISREAD.iter().any(|words| cause.contains(words)).then(|| {
        let what = format!(
            "plugin handed over what is no value of its interface: {}; build it with the bindings that its wit gives",
            first_line(&cause)
        );
        (FaultKind::InvalidOutput, what)
    })
}

/// A guest that keeps its own stack at the start of linear memory runs out of it downwards, below address zero.
/// Wasmtime tells the address in the words of the error only.
fn below_zero(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains("wasm address 0xfff"))
}

/// Whether the trap came out of a recursion deeper than what is looked at: its innermost function comes again and
/// again.
fn recurses(error: &wasmtime::Error) -> bool {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return false };
    let frames = trace.frames();
    let Some(innermost) = frames.first().map(|frame| frame.func_index()) else { return false };
    let again = frames.iter().filter(|frame| frame.func_index() == innermost).count();
    frames.len() >= limits::FRAMES_SEEN_MAX && again >= limits::FRAMES_SEEN_MAX / 8
}

/// What the plugin printed, stripped of what says nothing to a reader: its panic message, as a rule.
fn last_words(sandbox: &mut Sandbox) -> String {
    let Some(wasi) = &sandbox.wasi else { return String::new() };
    let (stdout, stderr) = (wasi.stdout.take(), wasi.stderr.take());
    let text = if stderr.trim().is_empty() { stdout } else { stderr };
    let mut words = String::new();
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with("note: run with `RUST_BACKTRACE") {
            continue;
        }
        if !words.is_empty() {
            // One line: a reason is shown in tables and lists.
            words.push_str(if words.ends_with([':', ';', '.']) { " " } else { "; " });
        }
        words.extend(line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }));
    }
    beginning_and_end(words)
}

/// A text that is too long, without its middle: a Rust panic says what happened first, a Python traceback last.
fn beginning_and_end(text: String) -> String {
    if text.len() <= limits::WORDS_BYTES_MAX {
        return text;
    }
    let half = limits::WORDS_BYTES_MAX / 2;
    let mut from = text.len() - half;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    format!("{} … {}", cut(&text, half), &text[from..])
}

/// The innermost functions of the plugin's own code, innermost first.
fn frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names = trace.frames().iter().filter_map(|frame| frame.func_name());
    let own = names.map(source_name).filter(|name| !is_runtime(name));
    own.take(limits::FRAMES_MAX).map(|name| cut(&name, 120)).collect::<Vec<_>>().join(" < ")
}

/// A function's name as its source writes it: Rust's is demangled, without its hash.
fn source_name(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Functions of a language's panic machinery and of the bindings: they are in every trace and tell nothing.
fn is_runtime(name: &str) -> bool {
    const PREFIXES: [&str; 12] = [
        "std::",
        "core::",
        "alloc::",
        "<std::",
        "<core::",
        "<alloc::",
        "__rust",
        "rust_panic",
        "__wasm",
        "_start",
        "_initialize",
        "cabi_",
    ];
    name == "abort" || name == "unreachable" || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_as_in_their_source() {
        assert_eq!(source_name("_ZN4step6handle17h0123456789abcdefE"), "step::handle");
        assert_eq!(
            source_name("_RNvNtNtCshXfaRvt2tfW_3std3sys4exit4exit.llvm.3047457843523899933"),
            "std::sys::exit::exit"
        );
        assert_eq!(source_name("main.handle"), "main.handle");
        assert!(is_runtime("core::panicking::panic_fmt") && !is_runtime("stdx::handle"));
    }

    #[test]
    fn long_words_keep_their_beginning_and_end_on_character_borders() {
        let words = beginning_and_end(format!("begins{}ends", "é".repeat(5000)));
        assert!(words.starts_with("begins") && words.ends_with("ends") && words.contains('…'));
        assert!(words.len() <= limits::WORDS_BYTES_MAX + 8);
        assert_eq!(beginning_and_end("short".to_owned()), "short");
    }
}
