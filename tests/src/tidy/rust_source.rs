//! Just enough of Rust's lexical rules to look at code without its comments and literals, and to find where functions
//! and test modules begin and end. It does not parse: what it calls a function is the word `fn`, a name and a block.

/// The source with every comment and the content of every literal replaced by spaces. Lines and columns stay.
pub fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match token_at(&chars, at) {
            Token::Code => {
                out.push(chars[at]);
                at += 1;
                continue;
            }
            Token::Blank { end } => end.min(chars.len()),
        };
        out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    out
}

enum Token {
    /// One character of code.
    Code,
    /// A comment or literal that reaches up to `end`.
    Blank { end: usize },
}

fn token_at(chars: &[char], at: usize) -> Token {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => Token::Blank { end: find(chars, at, |c| c == '\n') },
        '/' if next == Some('*') => Token::Blank { end: block_comment_end(chars, at) },
        '"' => Token::Blank { end: string_end(chars, at + 1) },
        '\'' => char_end(chars, at).map_or(Token::Code, |end| Token::Blank { end }),
        'r' | 'b' | 'c' if !follows_word(chars, at) => prefixed_literal(chars, at),
        _ => Token::Code,
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|&c| wanted(c)).map_or(chars.len(), |offset| from + offset)
}

fn follows_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

/// The place behind the closing quote of a string whose content begins at `at`.
fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// The end of a character literal; none where the quote begins a lifetime or label.
fn char_end(chars: &[char], at: usize) -> Option<usize> {
    match (chars.get(at + 1)?, chars.get(at + 2)) {
        ('\\', _) => Some(find(chars, at + 3, |c| c == '\'') + 1),
        (_, Some('\'')) => Some(at + 3),
        _ => None,
    }
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br#"…"#`, `b'…'`, `c"…"`; anything else that begins with these letters is code.
fn prefixed_literal(chars: &[char], at: usize) -> Token {
    let letters = chars[at..].iter().take(2).take_while(|c| matches!(c, 'r' | 'b' | 'c')).count();
    let raw = chars[at..at + letters].contains(&'r');
    let hashes = chars[at + letters..].iter().take_while(|&&c| c == '#').count();
    let quote = at + letters + hashes;
    match chars.get(quote) {
        Some('"') if raw => Token::Blank { end: raw_string_end(chars, quote + 1, hashes) },
        Some('"') if hashes == 0 => Token::Blank { end: string_end(chars, quote + 1) },
        Some('\'') if hashes == 0 && chars[at] == 'b' => {
            char_end(chars, quote).map_or(Token::Code, |end| Token::Blank { end })
        }
        _ => Token::Code,
    }
}

fn raw_string_end(chars: &[char], mut at: usize, hashes: usize) -> usize {
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take_while(|&&c| c == '#').take(hashes).count() == hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

/// Lines of code, comments and blank lines not counted.
pub fn code_line_count(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// The code without its test modules: every item behind `#[cfg(test)]` becomes blank lines.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let end = item_end(&out, start + "#[cfg(test)]".len());
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// Where the item that begins at `from` ends: at its `;`, or at the brace that closes its block.
fn item_end(code: &str, from: usize) -> usize {
    match code[from..].find(['{', ';']) {
        Some(offset) if code.as_bytes()[from + offset] == b'{' => block_end(code, from + offset),
        Some(offset) => from + offset + 1,
        None => code.len(),
    }
}

/// The place behind the brace that closes the one at `open`.
fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (offset, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + offset + 1;
        }
    }
    code.len()
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// Of the word `fn`, from 1.
    pub line: usize,
    /// Signature and body, comments and blank lines not counted.
    pub code_line_count: usize,
}

/// The functions of code that `code_only` gave; nested ones as well.
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        if start > 0 && code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name: String = code[start + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(open) = body_start(code, start) else { continue };
        if name.is_empty() {
            continue;
        }
        found.push(Function {
            name,
            line: code[..start].matches('\n').count() + 1,
            code_line_count: code_line_count(&code[start..block_end(code, open)]),
        });
    }
    found
}

/// The brace that opens the body; none for a declaration that ends in `;`. A `;` inside an array type does not end it.
fn body_start(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0;
    for (offset, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(from + offset),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let source = "let a = \"fn x() {\"; // fn y() {\n/* fn /* nested */ z() { */ let b = r#\"\"}\"#;\nlet c = '{';";
        let code = code_only(source);
        assert_eq!(code.lines().count(), 3);
        assert!(!code.contains(['{', '}']), "{code}");
        assert!(code.contains("let a =") && code.contains("let b =") && code.contains("let c ="));
    }

    #[test]
    fn lifetimes_and_labels_are_code() {
        let source = "fn f<'a>(x: &'a str) -> &'a str { 'outer: loop { break 'outer; } }";
        assert_eq!(code_only(source), source);
    }

    #[test]
    fn escaped_quotes_do_not_end_a_literal() {
        let code = code_only(r#"let a = "\"{"; let b = '\''; let c = b'{'; let d = b"}"; end"#);
        assert!(!code.contains(['{', '}']), "{code}");
        assert!(code.ends_with("; end"), "{code}");
    }

    #[test]
    fn functions_are_found_with_their_length() {
        let code = code_only(
            "trait T { fn declared(&self) -> [u8; 4]; }\nimpl T {\n    fn short() {}\n\n    fn long(a: [u8; 2]) {\n        // why\n\n        a();\n        b();\n    }\n}\n",
        );
        let found = functions(&code);
        let names: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.code_line_count)).collect();
        assert_eq!(names, [("short", 3, 1), ("long", 5, 4)]);
    }

    #[test]
    fn test_modules_are_taken_out_wherever_they_stand() {
        let code = "a();\n#[cfg(test)]\nmod tests {\n    fn t() { x(); }\n}\nb();\n#[cfg(test)]\nmod more;\nc();\n";
        let left = without_tests(code);
        assert_eq!(left.lines().count(), code.lines().count());
        assert_eq!(left.split_whitespace().collect::<Vec<_>>(), ["a();", "b();", "c();"]);
    }
}
