//! Answers: pages of summaries, error groups, members of a group. Every call reads a bounded number of rows.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use host_core::id::GlobalId;
use host_core::saga::Status;
use host_core::table::{Table, Tables, prefix_end};
use host_core::time::Timestamp;

use super::group::{Group, GroupId};
use super::summary::Summary;
use super::{ErrorGroup, ErrorQuery, ListQuery, Page, cursor, index, stored};
use crate::Error;

/// Items of a page, whatever was asked for.
const PAGE_ITEMS_MAX: usize = 1000;
/// Rows that one page looks at: some ten milliseconds of work. Then it ends, with a cursor to go on.
const ROWS_LOOKED_AT_MAX: usize = 10_000;
/// Rows read at once.
const ROWS_READ_MAX: usize = 512;
/// Sagas named with a group.
const EXAMPLES_MAX: usize = 5;

/// Summaries, newest start first.
pub(crate) fn summaries(tables: &dyn Tables, query: &ListQuery) -> Result<Page<Summary>, Error> {
    let question = list_question(query);
    let rows = Rows::of(query.status);
    let (mut from, to) = rows.range(query.since);
    if let Some(text) = &query.cursor {
        from = rows.behind(&cursor::decode(question, text)?);
    }
    let limit = query.limit.clamp(1, PAGE_ITEMS_MAX);
    let mut items = Vec::new();
    let mut looked_at_count = 0;
    loop {
        let found = tables.scan(rows.table(), &from, to.as_deref(), ROWS_READ_MAX)?;
        let is_last = found.len() < ROWS_READ_MAX;
        let found_count = found.len();
        for (index, (key, value)) in found.into_iter().enumerate() {
            let place = rows.place(&key);
            from = rows.behind(place);
            looked_at_count += 1;
            if let Some(summary) = rows.summary(tables, place, &value)?.filter(|summary| query.admits(summary)) {
                items.push(summary);
            }
            let is_over = is_last && index + 1 == found_count;
            if !is_over && (items.len() == limit || looked_at_count == ROWS_LOOKED_AT_MAX) {
                return Ok(Page { items, next_cursor: Some(cursor::encode(question, place)) });
            }
        }
        if is_last {
            return Ok(Page { items, next_cursor: None });
        }
    }
}

impl ListQuery {
    fn admits(&self, summary: &Summary) -> bool {
        let use_case = summary.use_case.as_ref().map(|use_case| &use_case.name);
        self.use_case.as_ref().is_none_or(|wanted| Some(wanted) == use_case)
            && self.status.is_none_or(|wanted| wanted == summary.status)
            && self.step.as_ref().is_none_or(|wanted| Some(wanted) == summary.step.as_ref())
    }
}

fn list_question(query: &ListQuery) -> u64 {
    let since = query.since.map(|since| since.as_ms().to_string());
    cursor::question(&[
        Some("list"),
        query.use_case.as_ref().map(|name| name.as_str()),
        query.status.map(Status::as_str),
        query.step.as_ref().map(|step| step.as_str()),
        since.as_deref(),
    ])
}

/// The rows that a list walks.
enum Rows {
    Summaries,
    ByStatus([u8; 2]),
}

impl Rows {
    fn of(status: Option<Status>) -> Self {
        match status.filter(|status| index::is_by_status(*status)) {
            Some(status) => Rows::ByStatus(index::by_status_prefix(status)),
            None => Rows::Summaries,
        }
    }

    fn table(&self) -> Table {
        match self {
            Rows::Summaries => Table::Summaries,
            Rows::ByStatus(_) => Table::Index,
        }
    }

    fn prefix(&self) -> &[u8] {
        match self {
            Rows::Summaries => &[],
            Rows::ByStatus(prefix) => prefix,
        }
    }

    /// From the newest to the oldest that `since` admits.
    fn range(&self, since: Option<Timestamp>) -> (Vec<u8>, Option<Vec<u8>>) {
        let to = match since {
            Some(since) => Some([self.prefix(), &index::behind(since)].concat()),
            None => prefix_end(self.prefix()),
        };
        (self.prefix().to_vec(), to)
    }

    fn place<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        &key[self.prefix().len()..]
    }

    /// The first key behind a place.
    fn behind(&self, place: &[u8]) -> Vec<u8> {
        [self.prefix(), place, &[0]].concat()
    }

    /// None where an index row was overtaken by a fold: the saga is elsewhere now.
    fn summary(&self, tables: &dyn Tables, place: &[u8], value: &[u8]) -> Result<Option<Summary>, Error> {
        match self {
            Rows::Summaries => stored::decode(place, value).map(Some),
            Rows::ByStatus(_) => {
                let value = tables.get(Table::Summaries, place)?;
                value.map(|value| stored::decode(place, &value)).transpose()
            }
        }
    }
}

/// Order of groups: most members first, then by id, so that a cursor has one place.
type GroupPlace = (Reverse<u64>, u64);

/// What stands in the way now.
pub(crate) fn error_groups(tables: &dyn Tables, query: &ErrorQuery) -> Result<Page<ErrorGroup>, Error> {
    let question = cursor::question(&[Some("errors"), query.use_case.as_ref().map(|name| name.as_str())]);
    let behind = match &query.cursor {
        Some(text) => Some(parse_group_place(&cursor::decode(question, text)?)?),
        None => None,
    };
    let limit = query.limit.clamp(1, PAGE_ITEMS_MAX);
    // One more than the page holds tells whether there is another.
    let mut first: BTreeMap<GroupPlace, Group> = BTreeMap::new();
    each_group(tables, |number, group| {
        let place = (Reverse(group.count), number);
        let wanted = query.use_case.is_none() || query.use_case == group.use_case;
        if wanted && behind.is_none_or(|behind| place > behind) {
            first.insert(place, group);
            if first.len() > limit + 1 {
                first.pop_last();
            }
        }
    })?;
    let has_more = first.len() > limit;
    let page: Vec<_> = first.into_iter().take(limit).collect();
    let next_cursor = page.last().filter(|_| has_more).map(|((Reverse(count), number), _)| {
        cursor::encode(question, &[count.to_be_bytes(), number.to_be_bytes()].concat())
    });
    let items = page.into_iter().map(|((_, number), group)| error_group(tables, number, group));
    Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor })
}

/// Every group is met, since the largest can be anywhere. There are as many as there are causes, not sagas.
fn each_group(tables: &dyn Tables, mut visit: impl FnMut(u64, Group)) -> Result<(), Error> {
    let mut from = index::groups().to_vec();
    let to = prefix_end(&from);
    loop {
        let rows = tables.scan(Table::Index, &from, to.as_deref(), ROWS_READ_MAX)?;
        for (key, value) in &rows {
            let number =
                index::parse_group(key).ok_or_else(|| Error::corrupt("a key of an error group", "it is short"))?;
            visit(number, stored::decode_group(number, value)?);
        }
        match rows.last() {
            Some((last, _)) if rows.len() == ROWS_READ_MAX => from = [last, &[0][..]].concat(),
            Some(_) | None => return Ok(()),
        }
    }
}

fn error_group(tables: &dyn Tables, number: u64, group: Group) -> Result<ErrorGroup, Error> {
    let members = members(tables, number, EXAMPLES_MAX)?;
    Ok(ErrorGroup {
        group: GroupId::of(number),
        use_case: group.use_case,
        step: group.step,
        direction: group.direction,
        kind: group.kind,
        code: group.code,
        reason: group.reason,
        count: group.count,
        first_at: members.first().map_or(group.last_at, |(since, _)| *since),
        last_at: group.last_at,
        examples: members.into_iter().map(|(_, global_id)| global_id).collect(),
    })
}

fn parse_group_place(bytes: &[u8]) -> Result<GroupPlace, Error> {
    let (count, number) = bytes.split_first_chunk::<8>().ok_or(Error::Cursor)?;
    let number = number.try_into().map_err(|_| Error::Cursor)?;
    Ok((Reverse(u64::from_be_bytes(*count)), u64::from_be_bytes(number)))
}

/// The sagas of a group, those first that stand longest.
pub(crate) fn group_members(tables: &dyn Tables, group: &GroupId, limit: usize) -> Result<Vec<GlobalId>, Error> {
    let Some(number) = group.number() else { return Ok(Vec::new()) };
    Ok(members(tables, number, limit)?.into_iter().map(|(_, global_id)| global_id).collect())
}

fn members(tables: &dyn Tables, number: u64, limit: usize) -> Result<Vec<(Timestamp, GlobalId)>, Error> {
    let prefix = index::members(number);
    let rows = tables.scan(Table::Index, &prefix, prefix_end(&prefix).as_deref(), limit)?;
    let member = |key: &[u8]| {
        index::parse_member(key)
            .ok_or_else(|| Error::corrupt(format!("a member of the error group {number:016x}"), "it names no saga"))
    };
    rows.iter().map(|(key, _)| member(key)).collect()
}
