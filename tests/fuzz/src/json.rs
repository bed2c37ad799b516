//! A text that must be one JSON value. Promised: exactly what `serde_json` takes is taken; the text is kept to the byte
//! without the space around it; it comes back from JSON and from the stored form as itself; a stored form that was
//! damaged is refused or is JSON again.

use bytes::Bytes;
use host_core::json::Json;

use crate::{corpus, meta};

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = crate::envelope::seeds()
        .into_iter()
        .filter_map(|seed| seed.splitn(2, |byte| *byte == b'\n').nth(1).map(<[u8]>::to_vec))
        .collect();
    for text in [" [1, 2.50, -0e+1, \"\\ud83d\\ude00\", {\"a\":null}] ", "true", "\"é\"", "-0", "1E400"] {
        seeds.push(text.as_bytes().to_vec());
    }
    seeds.extend(corpus::fixtures("envelope").into_iter().map(|(_, bytes)| bytes));
    seeds
}

pub(crate) fn run(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let taken = Json::try_new(bytes.clone());
    assert_eq!(taken.is_ok(), meta::is_json(input), "ours and serde_json differ");
    if let Ok(json) = &taken {
        assert_eq!(json.as_bytes(), bytes.trim_ascii(), "the text was changed");
        assert_eq!(serde_json::to_string(json).expect("JSON writes itself"), json.as_str());
        assert_eq!(serde_json::from_str::<Json>(json.as_str()).expect("JSON reads itself"), *json);
        let stored = postcard::to_extend(json, Vec::new()).expect("memory takes it");
        assert_eq!(postcard::from_bytes::<Json>(&stored).expect("our own"), *json);
    }
    if let Ok(json) = postcard::from_bytes::<Json>(input) {
        assert!(meta::is_json(json.as_bytes()), "stored bytes that are no JSON were read as JSON");
    }
}
