//! What people read: tables, colours, short times and sizes. Decides once whether the terminal takes colour and how
//! wide it is. It must not know the host or its API.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, Color, ContentArrangement, LineStyle, Table, presets};
use host_core::time::Timestamp;

/// The screen that standard output goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    pub has_colour: bool,
    /// None where output goes to a file or a pipe: lines are then as long as they are.
    pub columns: Option<u16>,
}

/// What a word means for the reader; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Faint,
    Good,
    Moving,
    Warning,
    Bad,
}

impl Tone {
    fn ansi(self) -> Option<AnsiColor> {
        match self {
            Tone::Plain => None,
            Tone::Faint => Some(AnsiColor::BrightBlack),
            Tone::Good => Some(AnsiColor::Green),
            Tone::Moving => Some(AnsiColor::Cyan),
            Tone::Warning => Some(AnsiColor::Yellow),
            Tone::Bad => Some(AnsiColor::Red),
        }
    }

    fn table_colour(self) -> Option<Color> {
        match self {
            Tone::Plain => None,
            Tone::Faint => Some(Color::DarkGrey),
            Tone::Good => Some(Color::DarkGreen),
            Tone::Moving => Some(Color::DarkCyan),
            Tone::Warning => Some(Color::DarkYellow),
            Tone::Bad => Some(Color::DarkRed),
        }
    }

    /// The tone of a status or call state of the API; an unknown word stays plain.
    pub fn of_word(word: &str) -> Tone {
        match word {
            "completed" | "done" | "serving" | "ok" => Tone::Good,
            "running" | "pending" | "draining" | "started" | "signalled" => Tone::Moving,
            "waiting" | "compensating" | "compensated" | "retrying" | "retried" | "skipped" | "not-run"
            | "late-dropped" | "warning" => Tone::Warning,
            "failed" | "compensation-failed" | "rejected" | "dead-lettered" | "problem" => Tone::Bad,
            "not-reached" | "closed" | "acted" => Tone::Faint,
            _ => Tone::Plain,
        }
    }
}

impl Terminal {
    pub fn detect() -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        let has_colour = match choice {
            anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
            anstream::ColorChoice::Auto | anstream::ColorChoice::Never => false,
        };
        let columns = if std::io::stdout().is_terminal() { Table::new().width() } else { None };
        Self { has_colour, columns }
    }

    /// Neither colour nor a width: what a pipe gets.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { has_colour: false, columns: None }
    }

    pub fn paint(self, tone: Tone, text: impl Display) -> String {
        match tone.ansi().filter(|_| self.has_colour) {
            Some(colour) => {
                let style = Style::new().fg_color(Some(colour.into()));
                format!("{style}{text}{style:#}")
            }
            None => text.to_string(),
        }
    }

    pub fn bold(self, text: impl Display) -> String {
        if self.has_colour {
            let style = Style::new().bold();
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    /// Lay rows out under a header.
    pub fn table(self, header: &[&str], rows: Vec<Vec<Field>>) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
        match self.columns {
            Some(columns) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        if self.has_colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        table.set_header(header.iter().map(Cell::new));
        for row in rows {
            table.add_row(row.into_iter().map(|field| field.cell(self.has_colour)));
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

/// One field of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub text: String,
    pub tone: Tone,
}

impl Field {
    pub fn new(text: impl Display) -> Self {
        Self { text: printable(&text.to_string()), tone: Tone::Plain }
    }

    pub fn toned(tone: Tone, text: impl Display) -> Self {
        Self { tone, ..Self::new(text) }
    }

    /// A status word in its own colour.
    pub fn word(word: &str) -> Self {
        Self::toned(Tone::of_word(word), word)
    }

    /// Nothing to say.
    pub fn none() -> Self {
        Self::toned(Tone::Faint, "-")
    }

    /// The text, or the mark for nothing.
    pub fn maybe<T: Display>(text: Option<T>) -> Self {
        text.map_or_else(Self::none, Self::new)
    }

    fn cell(self, has_colour: bool) -> Cell {
        let cell = Cell::new_owned(self.text);
        match self.tone.table_colour().filter(|_| has_colour) {
            Some(colour) => cell.fg(colour),
            None => cell,
        }
    }
}

/// Text of others (reasons, keys, ids) with its control characters made visible: a reason must not move the cursor or
/// colour the screen of the operator who reads it. Line breaks stay.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() && character != '\n' { '\u{fffd}' } else { character })
        .collect()
}

/// Print one block to standard output. An error is the reader's going away, or a full disk.
pub fn say(text: impl Display) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")
}

/// Print a note to standard error: progress and hints, which `--json` readers never see.
pub fn note(text: impl Display) {
    // A closed standard error is nobody's loss.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A span as people say it: `340 µs`, `12.3 ms`, `4.2 s`, `3 m 20 s`, `5 h 2 m`, `3 d 4 h`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 if span.as_micros() < 1000 => format!("{} µs", span.as_micros()),
        0 => format!("{:.1} ms", span.as_secs_f64() * 1e3),
        1..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// How long ago a time of the API was: `4.2 s ago`. A text that is no time is shown as it is.
pub fn ago(text: &str, now: Timestamp) -> String {
    match Timestamp::parse(text) {
        Ok(at) if at > now => format!("in {}", whole_span(at.since(now))),
        Ok(at) => format!("{} ago", whole_span(now.since(at))),
        Err(_) => printable(text),
    }
}

/// Ages need no fractions.
fn whole_span(age: Duration) -> String {
    if age < Duration::from_secs(60) { format!("{} s", age.as_secs()) } else { span(age) }
}

/// The span between two times of the API, which count milliseconds; none if one is no time.
pub fn between(from: &str, to: &str) -> Option<String> {
    let between = Timestamp::parse(to).ok()?.since(Timestamp::parse(from).ok()?);
    Some(match between.as_millis() {
        0 => "< 1 ms".to_owned(),
        whole @ 1..1000 => format!("{whole} ms"),
        _ => span(between),
    })
}

pub fn now() -> Timestamp {
    Timestamp::from_system_time(SystemTime::now())
}

/// A count of bytes as people say it: `118.4 KiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut amount = count as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// `1 saga`, `2 sagas`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_a_screen_is_plain_and_unwrapped() {
        let rows = vec![
            vec![Field::new("order-1"), Field::word("completed")],
            vec![Field::new("a-much-longer-name"), Field::none()],
        ];
        let expected = "\
────────────────────────────────
 saga                 status
════════════════════════════════
 order-1              completed
 a-much-longer-name   -
────────────────────────────────";
        assert_eq!(Terminal::plain().table(&["saga", "status"], rows), expected);
    }

    #[test]
    fn colour_is_used_only_where_the_terminal_takes_it() {
        let colour = Terminal { has_colour: true, columns: None };
        assert!(colour.paint(Tone::Bad, "x").contains("\u{1b}["));
        assert!(colour.table(&["a"], vec![vec![Field::word("failed")]]).contains("\u{1b}["));
        assert_eq!(Terminal::plain().paint(Tone::Bad, "x"), "x");
    }

    #[test]
    fn a_narrow_screen_wraps_instead_of_overflowing() {
        let narrow = Terminal { has_colour: false, columns: Some(24) };
        let text = narrow.table(&["reason"], vec![vec![Field::new("the ledger is closed for the night")]]);
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
    }

    #[test]
    fn control_characters_of_others_do_not_reach_the_screen() {
        assert_eq!(Field::new("red\u{1b}[31m\u{7}").text, "red\u{fffd}[31m\u{fffd}");
        assert_eq!(printable("two\nlines"), "two\nlines");
    }

    #[test]
    fn spans_and_sizes_are_short() {
        let spans = [
            (Duration::from_micros(340), "340 µs"),
            (Duration::from_micros(12_340), "12.3 ms"),
            (Duration::from_millis(4_210), "4.2 s"),
            (Duration::from_secs(200), "3 m 20 s"),
            (Duration::from_secs(18_120), "5 h 2 m"),
            (Duration::from_secs(273_600), "3 d 4 h"),
        ];
        for (length, text) in spans {
            assert_eq!(span(length), text);
        }
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(121_701), "118.8 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn ages_are_told_both_ways() {
        let now = Timestamp::parse("2026-11-22T18:00:00Z").expect("a time");
        assert_eq!(ago("2026-11-22T17:59:15.500Z", now), "44 s ago");
        assert_eq!(ago("2026-11-22T18:02:05.000Z", now), "in 2 m 5 s");
        assert_eq!(ago("soon", now), "soon");
    }
}
