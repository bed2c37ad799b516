package step.saga.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import step.saga.Context;
import step.saga.Direction;
import step.saga.Failure;

/**
 * A call that a host handed out, under a lease. Body and log are cut out of the host's text as they stand: read and written
 * again they would no longer be what came.
 */
record Work(String lease, Duration leaseSpan, Context context, String body, Optional<String> log) {
    /**
     * The calls of an answer to a request for work.
     *
     * @throws ProtocolException if the text is not such an answer
     */
    static List<Work> listOf(String text) throws ProtocolException {
        try {
            JsonText.MAPPER.readTree(text);
            String list = Scan.member(text.strip(), "work");
            List<Work> works = new ArrayList<>();
            for (Scan.Span item : Scan.elements(list)) {
                works.add(of(item.of(list)));
            }
            return works;
        } catch (JsonProcessingException | RuntimeException error) {
            throw new ProtocolException("the host's answer is not a list of calls: " + error.getMessage());
        }
    }

    private static Work of(String item) throws JsonProcessingException {
        JsonNode lease = JsonText.MAPPER.readTree(Scan.member(item, "lease"));
        JsonNode span = JsonText.MAPPER.readTree(Scan.member(item, "lease-ms"));
        JsonNode context = JsonText.MAPPER.readTree(Scan.member(item, "context"));
        Optional<String> log = Optional.ofNullable(Scan.member(item, "compensation-log"));
        String body = Scan.member(item, "body");
        return new Work(lease.textValue(), Duration.ofMillis(span.longValue()), context(context), body, log);
    }

    private static Context context(JsonNode node) {
        JsonNode version = node.path("use-case-version");
        return new Context(
                node.required("global-id").textValue(),
                text(node, "use-case"),
                version.isNumber() ? OptionalInt.of(version.intValue()) : OptionalInt.empty(),
                node.required("address").textValue(),
                node.required("position").intValue(),
                direction(node.required("direction").textValue()),
                node.required("attempt").intValue(),
                node.required("idempotency-key").textValue(),
                text(node, "deadline").map(Work::instant),
                text(node, "signalled"),
                failure(node.path("failure")),
                headers(node.path("headers")));
    }

    private static Optional<String> text(JsonNode node, String name) {
        return Optional.ofNullable(node.path(name).textValue());
    }

    private static Direction direction(String word) {
        for (Direction direction : Direction.values()) {
            if (direction.toString().equals(word)) {
                return direction;
            }
        }
        throw new IllegalArgumentException("there is no direction " + word);
    }

    private static Instant instant(String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeParseException error) {
            throw new IllegalArgumentException("the deadline " + text + " is no moment", error);
        }
    }

    private static Optional<Failure> failure(JsonNode node) {
        if (!node.isObject()) {
            return Optional.empty();
        }
        return Optional.of(new Failure(
                node.required("position").intValue(),
                node.required("address").textValue(),
                node.required("kind").textValue(),
                node.required("code").textValue(),
                node.required("reason").textValue()));
    }

    private static Map<String, JsonNode> headers(JsonNode node) {
        Map<String, JsonNode> headers = new LinkedHashMap<>();
        node.properties().forEach(header -> headers.put(header.getKey(), header.getValue()));
        return Collections.unmodifiableMap(headers);
    }
}
