// The instrument as a remote step: a worker that does as the body says. It looks for orders under the last word of its
// address, and under that with -undo for compensate, as the component does.

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;
import step.saga.CompensationLog;
import step.saga.Context;
import step.saga.Outcome;
import step.saga.Rejected;
import step.saga.Retry;
import step.saga.Step;
import step.saga.Wait;
import step.saga.Worker;

/** Does as the body says, and notes each call in a file. */
public final class Instrument implements Step<JsonNode> {
    private final String worker;
    private final Path calls;

    private Instrument(String worker, Path calls) {
        this.worker = worker;
        this.calls = calls;
    }

    /** Arguments: the worker's name, the step's address, the token, the file for calls, the hosts. */
    public static void main(String[] arguments) {
        Worker.Builder builder = Worker.builder().name(arguments[0]).concurrency(4);
        Arrays.stream(arguments).skip(4).forEach(builder::host);
        builder.step(arguments[1], new Instrument(arguments[0], Path.of(arguments[3])), arguments[2])
                .build()
                .run();
    }

    @Override
    public Outcome handle(Context context, JsonNode body) throws Exception {
        obey(context, body.path(name(context)));
        return Outcome.unchanged().withCompensation(Map.of("by", worker));
    }

    @Override
    public Outcome compensate(Context context, JsonNode body, CompensationLog log) throws Exception {
        obey(context, body.path(name(context) + "-undo"));
        if (!log.as(JsonNode.class).orElseThrow().path("by").isTextual()) {
            throw new Rejected("wrong-log", "the compensation log is not what handle left: " + log.text());
        }
        return Outcome.unchanged();
    }

    private void obey(Context context, JsonNode order) throws Exception {
        note("began", context);
        if (context.attempt() < order.path("retry-until").asInt()) {
            throw new Retry("told to fail");
        }
        // Only the worker that is named is slow: another one that gets the same call is not.
        if (order.path("slow").asText().equals(worker)) {
            Thread.sleep(order.path("slow-ms").asInt());
        }
        if (order.has("wait") && context.signalled().isEmpty()) {
            throw new Wait(order.get("wait").textValue(), "told to wait");
        }
        if (order.has("reject")) {
            throw new Rejected(order.get("reject").textValue(), "told to refuse");
        }
        note("ended", context);
    }

    private static String name(Context context) {
        return context.address().substring(context.address().lastIndexOf('.') + 1);
    }

    private void note(String what, Context context) throws Exception {
        String line = what + " " + worker + " " + context.idempotencyKey() + " " + context.attempt() + "\n";
        synchronized (this) {
            Files.write(
                    calls,
                    line.getBytes(StandardCharsets.UTF_8),
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        }
    }
}
