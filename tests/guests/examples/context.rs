//! Behaves: answers with everything the host told it, and hands it back to its compensation.

use guests::{Context, Done, Outcome, quoted};

fn handle(context: Context, body: String) -> Outcome {
    let seen = seen(&context, &body, None);
    Outcome::Done(Done { body: seen, compensation: Some(body) })
}

fn compensate(context: Context, body: String, log: Option<String>) -> Outcome {
    let seen = seen(&context, &body, log.as_deref());
    Outcome::Done(Done { body: seen, compensation: Some("\"nobody takes this\"".to_owned()) })
}

fn seen(context: &Context, body: &str, log: Option<&str>) -> String {
    let text = |text: &Option<String>| text.as_deref().map_or("null".to_owned(), quoted);
    let headers: Vec<_> = context.headers.iter().map(|(name, value)| format!("[{},{value}]", quoted(name))).collect();
    format!(
        r#"{{"global-id":{},"use-case":{},"version":{},"address":{},"position":{},"direction":"{:?}",
        "attempt":{},"key":{},"deadline":{},"signalled":{},"failure":{},"headers":[{}],"body":{body},"log":{}}}"#,
        quoted(&context.global_id),
        text(&context.use_case),
        context.use_case_version.map_or("null".to_owned(), |version| version.to_string()),
        quoted(&context.address),
        context.position,
        context.direction,
        context.attempt,
        quoted(&context.idempotency_key),
        text(&context.deadline),
        text(&context.signalled),
        context.failure.as_ref().map_or("null".to_owned(), |failure| format!(
            r#"[{},{},{},{},{}]"#,
            failure.position,
            quoted(&failure.address),
            quoted(&failure.kind),
            quoted(&failure.code),
            quoted(&failure.reason),
        )),
        headers.join(","),
        log.unwrap_or("null"),
    )
}

guests::step!(handle, compensate);
