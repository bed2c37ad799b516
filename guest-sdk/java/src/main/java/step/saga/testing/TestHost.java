package step.saga.testing;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import step.saga.Context;
import step.saga.Direction;
import step.saga.Event;
import step.saga.Failure;
import step.saga.Step;
import step.saga.internal.Answer;
import step.saga.internal.JsonText;
import step.saga.internal.StepCaller;

/**
 * What a step sees in a test, without a host.
 *
 * <pre>{@code
 * TestHost host = new TestHost(new Payment());
 * Run run = host.handle("{\"amount\":70,\"unknown\":1.50}");
 * run.done().body(); // {"amount":70,"unknown":1.50}
 * host.undo(run).done();
 * }</pre>
 */
public final class TestHost {
    private final StepCaller<?> caller;
    private final Map<String, JsonNode> headers = new LinkedHashMap<>();
    private Manifest manifest;
    private String address = "test.step.here";
    private String globalId = "test-saga";
    private int attempt = 1;
    private Instant deadline;
    private String signalled;
    private Failure failure;

    /**
     * A host for a step, with every grant.
     *
     * @param step the step
     */
    public TestHost(Step<?> step) {
        caller = new StepCaller<>(step);
    }

    /**
     * Takes address, grants and topics from the step's manifest: the one {@code <domain>.<subdomain>.<service>.toml} in a
     * folder. From then on an answer is refused where the host would refuse it.
     *
     * @param folder where the manifest lies, usually {@code Path.of(".")}
     * @return this
     */
    public TestHost manifestIn(Path folder) {
        manifest = Manifest.in(folder);
        address = manifest.address();
        return this;
    }

    /**
     * Sets the identity of the saga.
     *
     * @param globalId the identity
     * @return this
     */
    public TestHost globalId(String globalId) {
        this.globalId = globalId;
        return this;
    }

    /**
     * Sets the number of the next calls.
     *
     * @param attempt 1 for the first
     * @return this
     */
    public TestHost attempt(int attempt) {
        this.attempt = attempt;
        return this;
    }

    /**
     * Sets when the saga's time is over.
     *
     * @param deadline the moment; null for none
     * @return this
     */
    public TestHost deadline(Instant deadline) {
        this.deadline = deadline;
        return this;
    }

    /**
     * Says that the next calls come after a wait for a key.
     *
     * @param key what was signalled; null for nothing
     * @return this
     */
    public TestHost signalled(String key) {
        signalled = key;
        return this;
    }

    /**
     * Says what turned the saga round, for {@link #compensate}.
     *
     * @param failure what it was
     * @return this
     */
    public TestHost failure(Failure failure) {
        this.failure = failure;
        return this;
    }

    /**
     * Adds a field of the message's meta that the host does not know.
     *
     * @param name its name
     * @param json its value: a JSON text
     * @return this
     */
    public TestHost header(String name, String json) {
        headers.put(name, parsed(json));
        return this;
    }

    /**
     * Calls {@code handle}.
     *
     * @param body a JSON text
     * @return what came of it
     */
    public Run handle(String body) {
        return call(Direction.HANDLE, body, Optional.empty());
    }

    /**
     * Calls {@code compensate} without a log.
     *
     * @param body a JSON text
     * @return what came of it
     */
    public Run compensate(String body) {
        return call(Direction.COMPENSATE, body, Optional.empty());
    }

    /**
     * Calls {@code compensate}.
     *
     * @param body a JSON text
     * @param log what {@code handle} left: a JSON text
     * @return what came of it
     */
    public Run compensate(String body, String log) {
        return call(Direction.COMPENSATE, body, Optional.of(log));
    }

    /**
     * Calls {@code compensate} with the body and the log of an answer of {@code handle}, because a later step refused.
     *
     * @param run a call that was done
     * @return what came of it
     */
    public Run undo(Run run) {
        Run.Done done = run.done();
        Failure before = failure;
        failure = new Failure(1, "test.step.later", "rejected", "refused", "a later step refused");
        Run undone = call(Direction.COMPENSATE, done.body(), done.compensation());
        failure = before;
        return undone;
    }

    private Run call(Direction direction, String body, Optional<String> log) {
        parsed(body);
        log.ifPresent(TestHost::parsed);
        Context context = new Context(
                globalId,
                Optional.of("test"),
                OptionalInt.of(1),
                address,
                0,
                direction,
                attempt,
                globalId + "/" + direction + "/0",
                Optional.ofNullable(deadline),
                Optional.ofNullable(signalled),
                Optional.ofNullable(direction == Direction.HANDLE ? null : failure),
                Collections.unmodifiableMap(headers));
        return new Run(body, judged(caller.call(context, body, log)));
    }

    /** As a worker answers when the host has refused what the step published. */
    private Answer judged(Answer answer) {
        if (manifest == null || !(answer instanceof Answer.Done done)) {
            return answer;
        }
        if (done.events().isEmpty() && done.signals().isEmpty()) {
            return answer;
        }
        if (!manifest.grants().contains("events")) {
            return refused("it emits or signals, and the manifest does not grant \"events\"");
        }
        for (Event event : done.events()) {
            if (!manifest.topics().contains(event.topic())) {
                return refused("topic " + event.topic() + " is not in the manifest: add it to [events] topics");
            }
        }
        return answer;
    }

    private static Answer refused(String why) {
        return Answer.retry("the host refused the answer of the step: the answer breaks the contract: " + why);
    }

    private static JsonNode parsed(String json) {
        try {
            return JsonText.read(json, JsonText.type(JsonNode.class));
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException("this is no JSON, and a host never delivers such: " + json, error);
        }
    }
}
