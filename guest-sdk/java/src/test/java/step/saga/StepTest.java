package step.saga;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import step.saga.testing.Run;
import step.saga.testing.TestHost;

/** What becomes of bodies, logs, answers and exceptions, from text to text. */
class StepTest {
    record Order(BigDecimal amount, BigInteger count, Id account, String note, Integer tries) {
        Order withNote(String note) {
            return new Order(amount, count, account, note, tries);
        }

        Order withAmount(BigDecimal amount) {
            return new Order(amount, count, account, note, tries);
        }
    }

    interface Work<B> {
        Outcome of(Context context, B body) throws Exception;
    }

    /** A step over orders that does as a test says. */
    record OrderStep(Work<Order> work) implements Step<Order> {
        @Override
        public Outcome handle(Context context, Order body) throws Exception {
            return work.of(context, body);
        }

        @Override
        public Outcome compensate(Context context, Order body, CompensationLog log) {
            List<BigDecimal> amounts =
                    log.as(new TypeReference<List<BigDecimal>>() {}).orElse(List.of());
            return Outcome.done(body.withNote(log.isPresent() + " " + amounts));
        }
    }

    private static TestHost host(Work<Order> work) {
        return new TestHost(new OrderStep(work));
    }

    private static Run throwing(Exception thrown) {
        return host((context, order) -> {
                    throw thrown;
                })
                .handle("{}");
    }

    @Test
    void aDoneBodyKeepsWhatTheTypeDoesNotKnow() {
        TestHost host = host((context, order) -> Outcome.done(order.withNote("<paid> & é")));
        String body = " {\"z\":9007199254740993123, \"amount\":12.10,\"Amount\":\"not ours\",\"account\":42 }";
        String want = " {\"z\":9007199254740993123, \"amount\":12.10,\"Amount\":\"not ours\",\"account\":42"
                + ",\"note\":\"<paid> & é\" }";
        assertEquals(want, host.handle(body).done().body());
    }

    @Test
    void amountsAreExactAndWrittenAsPeopleWriteThem() {
        TestHost host = host((context, order) -> Outcome.done(
                order.withAmount(order.amount().add(new BigDecimal("0.20")).stripTrailingZeros())));
        assertEquals("{\"amount\":0.3}", host.handle("{\"amount\":0.10}").done().body());
        assertEquals(
                "{\"amount\":1200}", host.handle("{\"amount\":1199.80}").done().body());
        assertEquals(
                "{\"amount\":12345678901234567890.21}",
                host.handle("{\"amount\":\"12345678901234567890.01\"}").done().body());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"amount\":true}",
                "{\"amount\":\"many\"}",
                "{\"amount\":\"\"}",
                "{\"count\":1.5}",
                "{\"count\":\"1\"}",
                "{\"account\":1.5}",
                "{\"account\":\"\"}",
                "{\"note\":5}",
                "{\"tries\":5000000000}",
                "[]",
                "\"x\"",
                "null"
            })
    void aBodyOfAnotherTypeIsRefusedForGood(String body) {
        TestHost host = host((context, order) -> Outcome.unchanged());
        Rejected rejected = host.handle(body).rejected();
        assertEquals(Rejected.INVALID_BODY, rejected.code());
        assertTrue(rejected.reason().startsWith("the body is not what test.step.here reads: "), rejected.reason());
    }

    @Test
    void aRefusedBodyTellsWhere() {
        TestHost host = host((context, order) -> Outcome.unchanged());
        String reason = host.handle("{\"count\":\"many\"}").rejected().reason();
        assertTrue(reason.endsWith("(at /count)"), reason);
    }

    record Strict(@JsonProperty(required = true) String name, int tries) {}

    static final class StrictStep implements Step<Strict> {
        @Override
        public Outcome handle(Context context, Strict body) {
            return Outcome.unchanged();
        }

        @Override
        public Outcome compensate(Context context, Strict body, CompensationLog log) {
            return Outcome.unchanged();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"tries\":1}", "{\"name\":\"x\"}", "{\"name\":\"x\",\"tries\":null}"})
    void whatIsRequiredAndWhatIsPrimitiveMustBeThere(String body) {
        TestHost host = new TestHost(new StrictStep());
        assertEquals(Rejected.INVALID_BODY, host.handle(body).rejected().code());
        host.handle("{\"name\":\"x\",\"tries\":1}").done();
    }

    @Test
    void theLogComesBackAsItWasLeft() {
        TestHost host = host((context, order) ->
                Outcome.unchanged().withCompensation(List.of(order.amount(), new BigDecimal("1.50"))));
        Run run = host.handle("{\"amount\":0.10}");
        assertEquals("[0.10,1.50]", run.done().compensation().orElseThrow());
        assertEquals(
                "{\"amount\":0.10,\"note\":\"true [0.10, 1.50]\"}",
                host.undo(run).done().body());
        assertEquals("{\"note\":\"false []\"}", host.compensate("{}").done().body());
        assertEquals(
                "{\"note\":\"false []\"}", host.compensate("{}", "null").done().body());
        assertEquals(
                Rejected.INVALID_COMPENSATION_LOG,
                host.compensate("{}", "{\"a\":1}").rejected().code());
    }

    @Test
    void whatIsThrownBecomesTheAnswer() {
        Rejected rejected = throwing(new Rejected("no-money", "3 are missing").withDetails(List.of(3)))
                .rejected();
        assertEquals(
                "no-money 3 are missing [3]",
                rejected.code() + " " + rejected.reason() + " "
                        + rejected.details().orElseThrow());
        assertEquals(
                Duration.ofSeconds(1),
                throwing(new Retry("later").after(Duration.ofSeconds(1)))
                        .retry()
                        .after()
                        .orElseThrow());
        Wait wait = throwing(new Wait("customer/42", "is not there").timeout(Duration.ofMinutes(1)))
                .waits();
        assertEquals("customer/42", wait.key());
        assertEquals(Duration.ofMinutes(1), wait.timeout().orElseThrow());
        Exception wrapped = new ExecutionException(new CompletionException(new Rejected("below", "it is wrapped")));
        assertEquals("below", throwing(wrapped).rejected().code());
    }

    @Test
    void anUnexpectedExceptionIsARetryThatTellsWhere() {
        String reason = host((context, order) -> {
                    try {
                        return deep();
                    } catch (IllegalStateException error) {
                        throw new java.io.IOException("no route to the bank", error);
                    }
                })
                .handle("{}")
                .retry()
                .reason();
        assertTrue(reason.startsWith("java.io.IOException: no route to the bank\n\tat "), reason);
        assertTrue(reason.contains("Caused by: java.lang.IllegalStateException: no paper\n\tat "), reason);
        assertTrue(reason.contains("deep(StepTest.java:"), reason);
        assertFalse(reason.contains("step.saga.internal"), reason);
        assertFalse(reason.contains("junit"), reason);
    }

    private static Outcome deep() {
        throw new IllegalStateException("no paper");
    }

    @Test
    void whatCannotGoOnIsARetryOfBoundedSize() {
        String overflow =
                host((context, order) -> endless(1)).handle("{}").retry().reason();
        assertTrue(overflow.startsWith("java.lang.StackOverflowError"), overflow);
        assertTrue(overflow.getBytes(StandardCharsets.UTF_8).length < 4096, overflow);
        String page =
                throwing(new IllegalStateException("é".repeat(100_000))).retry().reason();
        assertTrue(page.getBytes(StandardCharsets.UTF_8).length < 4096 && page.contains("\tat "), page);
        Run nothing = host((context, order) -> null).handle("{}");
        assertTrue(nothing.retry().reason().contains("return Outcome.unchanged()"));
        Run unwritable = host((context, order) -> Outcome.done(new Object() {
                    public Object getSelf() {
                        return this;
                    }
                }))
                .handle("{}");
        assertTrue(
                unwritable.retry().reason().contains("the body cannot be written as JSON"),
                unwritable.retry().reason());
    }

    private static Outcome endless(int depth) {
        return depth == 0 ? Outcome.unchanged() : endless(depth + 1);
    }

    static final class TreeStep implements Step<JsonNode> {
        @Override
        public Outcome handle(Context context, JsonNode body) {
            ((ObjectNode) body).put("paid", true);
            return Outcome.done(body);
        }

        @Override
        public Outcome compensate(Context context, JsonNode body, CompensationLog log) {
            return Outcome.replaced(log.as(JsonNode.class).orElseThrow());
        }
    }

    @Test
    void aTreeIsABodyToo() {
        TestHost host = new TestHost(new TreeStep());
        String body = "{ \"x\" : 1.10, \"y\":1E400,\"paid\":false,\"\\u00e9\":-0.0 }";
        assertEquals(body.replace("false", "true"), host.handle(body).done().body());
        assertEquals(
                "{\"b\":[1,2.50],\"a\":null}",
                host.compensate("{}", "{\"b\":[1,2.50],\"a\":null}").done().body());
    }

    /** A type that Jackson cannot make. */
    interface Unreadable {}

    static final class UnreadableStep implements Step<Unreadable> {
        @Override
        public Outcome handle(Context context, Unreadable body) {
            return Outcome.unchanged();
        }

        @Override
        public Outcome compensate(Context context, Unreadable body, CompensationLog log) {
            return Outcome.unchanged();
        }
    }

    @Test
    void aTypeThatCannotBeReadIsNoFaultOfTheBody() {
        String reason = new TestHost(new UnreadableStep()).handle("{}").retry().reason();
        assertTrue(reason.contains("InvalidDefinitionException"), reason);
        CompensationLog log = CompensationLog.of("{}");
        assertThrows(IllegalArgumentException.class, () -> log.as(Unreadable.class));
    }

    @Test
    void whatAStepReadsMustBeTold() {
        Step<?> untold = new Step<Object>() {
            @Override
            public Outcome handle(Context context, Object body) {
                return Outcome.unchanged();
            }

            @Override
            public Outcome compensate(Context context, Object body, CompensationLog log) {
                return Outcome.unchanged();
            }
        };
        assertThrows(IllegalArgumentException.class, () -> new TestHost(untold));
    }

    @Test
    void whatIsPublishedGoesWithTheAnswer() {
        Outcome outcome = Outcome.unchanged()
                .emit("shop.paid", List.of(new BigDecimal("1.10")))
                .signal("customer/42");
        Run.Done done = host((context, order) -> outcome).handle("{}").done();
        assertEquals(List.of(new Event("shop.paid", "[1.10]")), done.events());
        assertEquals(List.of("customer/42"), done.signals());
    }

    @Test
    void whatTheManifestDoesNotNameIsRefused() {
        Path folder = Path.of("src/test/resources");
        TestHost host = host((context, order) -> Outcome.unchanged().emit(order.note(), context.address()))
                .manifestIn(folder);
        assertEquals(
                "\"shop.test.step\"",
                host.handle("{\"note\":\"shop.paid\"}").done().events().get(0).body());
        host.handle("{\"note\":\"shop.shipped\"}").done();
        String reason = host.handle("{\"note\":\"shop.lost\"}").retry().reason();
        assertTrue(reason.contains("topic shop.lost is not in the manifest"), reason);
    }

    @Test
    void idsAreEqualIfTheySayTheSame() throws Exception {
        TestHost host = host(
                (context, order) -> Outcome.done(order.withNote(order.account().toString())));
        assertEquals(
                "{\"account\":9007199254740993123,\"note\":\"9007199254740993123\"}",
                host.handle("{\"account\":9007199254740993123}").done().body());
        assertEquals(
                "{\"account\":\"a-1\",\"note\":\"a-1\"}",
                host.handle("{\"account\":\"a-1\"}").done().body());
        ObjectNode node = new com.fasterxml.jackson.databind.ObjectMapper().createObjectNode();
        assertEquals(
                Id.of(node.put("a", 42).get("a")), Id.of(node.put("b", "42").get("b")));
    }
}
