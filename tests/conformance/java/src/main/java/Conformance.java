// The conformance step in Java: README.md beside this folder tells what each act does. Acts that need what only a
// component has are not here.

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import step.saga.CompensationLog;
import step.saga.Context;
import step.saga.Failure;
import step.saga.Outcome;
import step.saga.Rejected;
import step.saga.Retry;
import step.saga.Step;
import step.saga.Wait;
import step.saga.Worker;

/** Does as the body says. */
public final class Conformance implements Step<Conformance.Body> {
    private static final DateTimeFormatter MOMENT =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSX").withZone(ZoneOffset.UTC);

    /** What the step reads. */
    public record Body(
            @JsonProperty(value = "do", required = true) String act,
            String to,
            String note,
            BigDecimal amount,
            BigDecimal plus,
            BigInteger count,
            Inner inner,
            List<Item> items) {
        Body withNote(String note) {
            return new Body(act, to, note, amount, plus, count, inner, items);
        }

        Body withAmount(BigDecimal amount) {
            return new Body(act, to, note, amount, plus, count, inner, items);
        }

        Body withCount(BigInteger count) {
            return new Body(act, to, note, amount, plus, count, inner, items);
        }

        Body withInner(Inner inner) {
            return new Body(act, to, note, amount, plus, count, inner, items);
        }

        Body withItems(List<Item> items) {
            return new Body(act, to, note, amount, plus, count, inner, items);
        }
    }

    /** A part of the body. */
    public record Inner(String note) {}

    /** An element of the body. */
    public record Item(String name, BigInteger count) {}

    /** Serves the step for a host, with a token. */
    public static void main(String[] arguments) {
        Worker.builder()
                .host(arguments[0])
                .step("test.sdk.conformance", new Conformance(), arguments[1])
                .build()
                .run();
    }

    @Override
    public Outcome handle(Context context, Body body) throws Exception {
        return switch (body.act()) {
            case "unchanged" -> Outcome.unchanged();
            case "set" -> Outcome.done(body.withNote(body.to()));
            case "remove" -> Outcome.done(body.withNote(null));
            case "inner" -> Outcome.done(body.withInner(new Inner(body.to())));
            case "item", "append", "drop" -> Outcome.done(body.withItems(items(body)));
            case "add" -> Outcome.done(body.withAmount(body.amount().add(body.plus())));
            case "increase" -> Outcome.done(body.withCount(body.count().add(BigInteger.ONE)));
            case "replace" -> Outcome.replaced(new Fresh(true, body.to()));
            case "remember" -> Outcome.done(body).withCompensation(json(body.to()));
            case "emit" -> Outcome.done(body)
                    .emit("shop.orders.shipped", Map.of("note", body.to()))
                    .signal("customer/" + body.note());
            case "astray" -> Outcome.done(body).emit(body.to(), Map.of());
            case "context" -> Outcome.done(body.withNote(told(context)));
            default -> stop(body);
        };
    }

    /** What goes on in place of the whole body. */
    public record Fresh(boolean fresh, String note) {}

    @Override
    public Outcome compensate(Context context, Body body, CompensationLog log) throws Exception {
        return switch (body.act()) {
            case "reject", "retry", "wait", "error", "panic" -> stop(body);
            case "context" -> Outcome.done(body.withNote(told(context)));
            default -> Outcome.done(body.withNote(log.as(JsonNode.class)
                    .map(JsonNode::toString)
                    .orElse("(none)")));
        };
    }

    private static Outcome stop(Body body) throws Exception {
        Duration span = body.count() == null ? null : Duration.ofMillis(body.count().longValueExact());
        switch (body.act()) {
            case "reject" -> throw new Rejected(body.to(), "refused: " + body.note())
                    .withDetails(Map.of("note", body.note()));
            case "retry" -> {
                Retry retry = new Retry(body.to());
                throw span == null ? retry : retry.after(span);
            }
            case "wait" -> {
                Wait wait = new Wait(body.to(), body.note());
                throw span == null ? wait : wait.timeout(span);
            }
            case "error" -> throw new IOException(body.to());
            case "panic" -> throw deep(body.to());
            default -> throw new IllegalArgumentException("there is no act " + body.act());
        }
    }

    private static AssertionError deep(String words) {
        return new AssertionError(words);
    }

    private static List<Item> items(Body body) {
        List<Item> items = new ArrayList<>(body.items());
        switch (body.act()) {
            case "append" -> items.add(new Item(body.to(), BigInteger.ONE));
            case "drop" -> items.removeIf(item -> item.name().equals(body.to()));
            default -> items.replaceAll(item -> item.name().equals(body.to())
                    ? new Item(item.name(), item.count().add(BigInteger.ONE))
                    : item);
        }
        return items;
    }

    /** A text read as JSON the way that the library reads it. */
    private static JsonNode json(String text) {
        return CompensationLog.of(text).as(JsonNode.class).orElseThrow();
    }

    private static String told(Context context) {
        List<String> words = new ArrayList<>(List.of(
                context.globalId(),
                context.useCase().orElse("-"),
                context.useCaseVersion().isPresent()
                        ? String.valueOf(context.useCaseVersion().getAsInt())
                        : "-",
                context.address(),
                String.valueOf(context.position()),
                context.direction().toString(),
                String.valueOf(context.attempt()),
                context.idempotencyKey(),
                context.deadline().map(MOMENT::format).orElse("-"),
                context.signalled().orElse("-"),
                context.headers().containsKey("trace")
                        ? context.headers().get("trace").asText()
                        : "-"));
        context.failure().map(Conformance::told).ifPresent(words::add);
        return String.join(" ", words);
    }

    private static String told(Failure failure) {
        return String.join(
                " ",
                String.valueOf(failure.position()),
                failure.address(),
                failure.kind(),
                failure.code(),
                failure.reason());
    }
}
