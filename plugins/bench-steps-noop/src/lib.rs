//! `bench.steps.noop`: hands its message on and does nothing else, so that a measurement with it is one of the host.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// Nothing of the body is looked at.
#[derive(Serialize, Deserialize)]
struct Anything {}

fn handle(_ctx: &Context, _body: Anything) -> StepResult {
    Ok(unchanged())
}

saga_step::export!(handle);

#[cfg(test)]
mod tests {
    use saga_step::testing::TestHost;

    use super::handle;

    #[test]
    fn the_body_goes_on_byte_for_byte() {
        let body = r#"{"n": 9007199254740993,"amount":1.10}"#;
        assert_eq!(TestHost::without_compensate(handle).handle(body).body(), body);
    }
}
