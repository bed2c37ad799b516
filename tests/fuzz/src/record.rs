//! Stored journal records. Promised: damaged ones are refused in words, never with a panic; what is read can be written
//! and is then read as the same; whatever records follow each other, the state of a saga can be folded from them.

use host_core::id::GlobalId;
use host_core::record::Record;
use host_core::saga::Saga;

use crate::corpus;

pub(crate) fn id() -> GlobalId {
    GlobalId::try_new("saga-1").expect("an id")
}

/// One of each event, as an older host stored it.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let all = corpus::fixtures("record").into_iter().flat_map(|(_, text)| {
        let text = String::from_utf8(text).expect("fixtures are text");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(bytes_of).collect();
        lines
    });
    let mut seeds: Vec<Vec<u8>> = all.collect();
    seeds.push(seeds.concat());
    seeds
}

fn bytes_of(line: &str) -> Vec<u8> {
    let pairs = line.as_bytes().as_chunks::<2>().0.iter();
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("hexadecimal digits") as u8;
    pairs.map(|&[high, low]| digit(high) << 4 | digit(low)).collect()
}

pub(crate) fn run(input: &[u8]) {
    match Record::decode_all(&id(), input) {
        Ok(records) => {
            let mut written = Vec::new();
            records.iter().for_each(|record| record.encode_into(&mut written));
            assert_eq!(Record::decode_all(&id(), &written).as_ref(), Ok(&records), "what was written reads otherwise");
            let saga = Saga::fold(&records);
            assert_eq!(saga.is_some(), !records.is_empty());
            for record in &records {
                assert!(!record.event.as_str().is_empty() && !record.message_id().to_string().is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
