//! `saga retry`, `compensate`, `skip`, `close`: what a person does to one saga, or to every saga of a group of errors.
//! Each act is recorded with who, when and why.

use clap::Args;
use host_core::id::GlobalId;

use super::input;
use crate::cli::Target;
use crate::client::view::GroupActed;
use crate::client::{Client, Request, encode};
use crate::exit::{Exit, Stop};
use crate::terminal::{Terminal, Tone, count, printable, say};

pub use host_core::record::Verb;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whom").required(true).args(["global_id", "group"]))]
#[command(after_help = "\
Examples:
  saga retry order-1 --reason 'ledger is back'       the message comes again, with a fresh budget
  saga compensate order-1 --reason 'customer left'   turn it round where it stands
  saga skip order-1 --reason 'done by hand'          treat the call as done, without its effects
  saga close order-1 --reason 'test order'           end it as it is
  saga retry --group 1f3a90c2 --dry-run              what would happen to every saga of an error group

`saga errors` lists the groups.")]
pub struct Options {
    /// Identity of the saga.
    pub global_id: Option<GlobalId>,

    /// Every saga of this group of errors, as it is now.
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,

    /// Why; kept in the saga's history.
    #[arg(long)]
    pub reason: Option<String>,

    /// Who; the login name if it is left out.
    #[arg(long)]
    pub who: Option<String>,

    /// Tell what would happen and do nothing.
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(verb: Verb, options: &Options) -> anyhow::Result<Exit> {
    check(verb, options)?;
    let path = match (&options.global_id, &options.group) {
        (Some(id), _) => format!("/v1/sagas/{}/{}", encode(id.as_str()), verb.as_str()),
        (None, Some(group)) => format!("/v1/errors/{}/{}", encode(group), verb.as_str()),
        (None, None) => return Err(Stop::usage("name a saga, or a group of errors with --group").into()),
    };
    let who = options.who.clone().unwrap_or_else(input::who);
    let body = serde_json::json!({"who": who, "reason": options.reason, "dry-run": options.dry_run});
    let request = Request { body: Some(body.to_string()), ..Request::default() };
    let answer = Client::new(&options.target)?.post(&path, request)?;
    if options.target.json {
        say(answer.text.trim_end())?;
    }
    match &options.global_id {
        Some(id) => {
            if !options.target.json {
                say(told(verb, id, options.dry_run))?;
            }
            Ok(Exit::Success)
        }
        None => {
            let acted: GroupActed = answer.read()?;
            if !options.target.json {
                say(group_told(verb, &acted, options.dry_run, Terminal::detect()))?;
            }
            Ok(Exit::of(acted.refused.is_empty() && acted.matched > 0))
        }
    }
}

/// What the host would refuse anyway, told before it is asked.
fn check(verb: Verb, options: &Options) -> Result<(), Stop> {
    match verb {
        Verb::Retry | Verb::Compensate | Verb::Skip => Ok(()),
        Verb::Close if options.reason.is_none() && !options.dry_run => {
            Err(Stop::usage("close needs a reason: add --reason 'why it ends here'"))
        }
        Verb::Close => Ok(()),
    }
}

fn told(verb: Verb, id: &GlobalId, dry_run: bool) -> String {
    let id = printable(id.as_str());
    if dry_run {
        format!("{} of {id} is possible; nothing was done", verb.as_str())
    } else {
        format!("{} of {id} is recorded; see `saga show {id}`", verb.as_str())
    }
}

fn group_told(verb: Verb, acted: &GroupActed, dry_run: bool, terminal: Terminal) -> String {
    let verb = verb.as_str();
    let matched = count(usize::try_from(acted.matched).unwrap_or(usize::MAX), "saga");
    let mut lines = vec![if dry_run {
        format!("{matched} in the group, {verb} is possible for {}; nothing was done", acted.accepted)
    } else {
        format!("{matched} in the group, {verb} recorded for {}", acted.accepted)
    }];
    for refused in &acted.refused {
        let why = format!("{}: {}", refused.global_id, refused.reason);
        lines.push(format!("  {} {}", terminal.paint(Tone::Bad, "refused"), printable(&why)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn options(line: &str) -> Options {
        let cli = crate::cli::Cli::parse_from(line.split(' '));
        match cli.command {
            crate::cli::Command::Close(options) | crate::cli::Command::Retry(options) => options,
            _ => panic!("not an act: {line}"),
        }
    }

    #[test]
    fn a_saga_is_closed_only_with_a_reason() {
        assert_eq!(check(Verb::Close, &options("saga close order-1")).expect_err("no reason").exit, Exit::Usage);
        assert!(check(Verb::Close, &options("saga close order-1 --reason test")).is_ok());
        assert!(check(Verb::Close, &options("saga close order-1 --dry-run")).is_ok());
    }

    #[test]
    fn every_act_can_be_done_to_a_group_and_closing_needs_a_reason_there_too() {
        for verb in [Verb::Retry, Verb::Compensate, Verb::Skip] {
            assert!(check(verb, &options("saga retry --group g")).is_ok());
        }
        assert!(check(Verb::Close, &options("saga close --group g --reason x")).is_ok());
        assert!(check(Verb::Close, &options("saga close --group g")).is_err());
    }

    #[test]
    fn a_group_tells_each_refusal() {
        let acted: GroupActed = serde_json::from_value(serde_json::json!(
            {"matched": 3, "accepted": 2, "refused": [{"global-id": "o-3", "reason": "it has ended"}]}
        ))
        .expect("the shape of the API");
        let told = group_told(Verb::Retry, &acted, false, Terminal::plain());
        assert_eq!(told, "3 sagas in the group, retry recorded for 2\n  refused o-3: it has ended");
    }
}
