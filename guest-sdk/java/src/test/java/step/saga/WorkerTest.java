package step.saga;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A worker against a host that behaves and one that does not. Each wait has an end; none is a matter of luck. */
@Timeout(60)
class WorkerTest {
    private FakeHost host;
    private final GatedStep step = new GatedStep();
    private Worker worker;

    /** Each call waits until the test lets it go on. */
    private static final class GatedStep implements Step<JsonNode> {
        final Semaphore gate = new Semaphore(0);
        final BlockingQueue<Context> begun = new LinkedBlockingQueue<>();
        final BlockingQueue<String> interrupted = new LinkedBlockingQueue<>();
        final AtomicInteger atOnce = new AtomicInteger();
        final AtomicInteger atOnceMax = new AtomicInteger();

        @Override
        public Outcome handle(Context context, JsonNode body) throws Exception {
            atOnceMax.accumulateAndGet(atOnce.incrementAndGet(), Math::max);
            begun.add(context);
            try {
                gate.acquire();
            } catch (InterruptedException error) {
                interrupted.add(context.globalId());
                throw error;
            } finally {
                atOnce.decrementAndGet();
            }
            return body.has("topic")
                    ? Outcome.unchanged().emit(body.get("topic").textValue(), 1)
                    : Outcome.unchanged();
        }

        @Override
        public Outcome compensate(Context context, JsonNode body, CompensationLog log) {
            return Outcome.unchanged();
        }
    }

    @BeforeEach
    void open() throws Exception {
        host = new FakeHost();
    }

    @AfterEach
    void close() {
        step.gate.release(1000);
        if (worker != null) {
            worker.close();
        }
        host.close();
    }

    private Worker.Builder described(String token) {
        return Worker.builder()
                .host(host.uri() + "/")
                .step(FakeHost.ADDRESS, step, token)
                .name("w-1")
                .concurrency(3);
    }

    private void start() {
        worker = described(FakeHost.TOKEN).build();
        worker.start();
    }

    private static void until(String what, BooleanSupplier reached) throws InterruptedException {
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20); !reached.getAsBoolean(); ) {
            assertTrue(System.nanoTime() < end, "waited in vain for: " + what);
            Thread.sleep(5);
        }
    }

    private String answer() throws InterruptedException {
        String answer = host.answers.poll(20, TimeUnit.SECONDS);
        assertNotNull(answer, "nothing was answered");
        return answer;
    }

    @Test
    void aCallIsMadeAndAnsweredAsItCame() throws Exception {
        step.gate.release();
        host.calls.add("{ \"x\" : 1.10, \"é\":9007199254740993123 }");
        start();
        assertEquals("l-1 {\"done\":{\"body\":{ \"x\" : 1.10, \"é\":9007199254740993123 }}}", answer());
        Context context = step.begun.remove();
        assertEquals(
                "o-1 Optional[shop] OptionalInt[1] shop.billing.payment 2 handle 1 o-1/handle/2 "
                        + "Optional[2030-01-01T00:00:00Z] Optional.empty Optional.empty {trace=\"é\"}",
                String.join(
                        " ",
                        context.globalId(),
                        context.useCase().toString(),
                        context.useCaseVersion().toString(),
                        context.address(),
                        String.valueOf(context.position()),
                        context.direction().toString(),
                        String.valueOf(context.attempt()),
                        context.idempotencyKey(),
                        context.deadline().toString(),
                        context.signalled().toString(),
                        context.failure().toString(),
                        context.headers().toString()));
        assertEquals("w-1", host.asked.remove().get("worker").textValue());
    }

    @Test
    void noMoreIsTakenThanCanBegin() throws Exception {
        for (int number = 0; number < 10; number++) {
            host.calls.add("{}");
        }
        start();
        until("three calls are under way", () -> step.begun.size() == 3);
        // With every thread at work nobody asks: what is left stays with the host.
        int requests = host.requests.get();
        Thread.sleep(300);
        assertEquals(requests, host.requests.get());
        assertEquals(3, host.handedOut.get());
        step.gate.release(10);
        Set<String> leases = new TreeSet<>();
        for (int number = 0; number < 10; number++) {
            leases.add(answer().split(" ")[0]);
        }
        assertEquals(10, leases.size());
        assertEquals(3, step.atOnceMax.get());
        assertTrue(host.asked.stream().allMatch(ask -> ask.get("max").intValue() <= 3));
    }

    @Test
    void whatIsHandedOutUnaskedIsLeftToItsLease() throws Exception {
        host.isGenerous = true;
        step.gate.release(1000);
        for (int number = 0; number < 3; number++) {
            host.calls.add("{}");
        }
        start();
        assertTrue(answer().startsWith("l-1 "));
        host.calls.add("{}");
        assertTrue(answer().startsWith("l-4 "));
        assertEquals(2, step.begun.size());
    }

    @Test
    void aBatchIsAskedForOnceThereIsWork() throws Exception {
        step.gate.release(1000);
        for (int number = 0; number < 40; number++) {
            host.calls.add("{}");
        }
        start();
        for (int number = 0; number < 40; number++) {
            answer();
        }
        assertTrue(host.asked.stream().anyMatch(ask -> ask.get("max").intValue() > 1));
    }

    @Test
    void theLeaseIsRenewedWhileTheStepIsAtIt() throws Exception {
        host.lease = 600;
        host.calls.add("{}");
        start();
        until(
                "five renewals",
                () -> host.renewals.getOrDefault("l-1", new AtomicInteger()).get() >= 5);
        step.gate.release();
        answer();
        int renewals = host.renewals.get("l-1").get();
        Thread.sleep(700);
        // One may have been on its way.
        assertTrue(host.renewals.get("l-1").get() <= renewals + 1);
        assertTrue(step.interrupted.isEmpty());
    }

    @Test
    void aCallWhoseLeaseIsOverIsInterruptedAndNotAnswered() throws Exception {
        host.lease = 600;
        host.calls.add("{}");
        start();
        until("the call is under way", () -> step.begun.size() == 1);
        host.refusesAnswers = 409;
        assertEquals("o-1", step.interrupted.poll(20, TimeUnit.SECONDS));
        host.refusesAnswers = 0;
        // The thread is free for the next call, and that one is not interrupted.
        step.gate.release();
        host.calls.add("{}");
        assertTrue(answer().startsWith("l-2 "));
        assertTrue(step.interrupted.isEmpty());
    }

    @Test
    void aCallIsInterruptedWhenNoHostRenewsItsLease() throws Exception {
        host.lease = 600;
        host.calls.add("{}");
        start();
        until("the call is under way", () -> step.begun.size() == 1);
        host.stop();
        assertEquals("o-1", step.interrupted.poll(20, TimeUnit.SECONDS));
    }

    @Test
    void anAnswerIsSentAgainUntilItIsTaken() throws Exception {
        host.calls.add("{\"x\":1}");
        start();
        until("the call is under way", () -> step.begun.size() == 1);
        host.stop();
        step.gate.release();
        Thread.sleep(300);
        host.broken = 503;
        host.open();
        Thread.sleep(300);
        host.broken = 0;
        assertEquals("l-1 {\"done\":{\"body\":{\"x\":1}}}", answer());
    }

    @Test
    void anAnswerThatBreaksTheContractBecomesARetryThatSaysSo() throws Exception {
        step.gate.release();
        host.refusesEvents = true;
        host.calls.add("{\"topic\":\"a.b\"}");
        start();
        String reason = "the host refused the answer of the step: no such topic (answer-refused)";
        assertEquals("l-1 {\"retry\":{\"reason\":\"" + reason + "\"}}", answer());
    }

    @Test
    void aHostThatIsAwayIsAskedAgainButNotHammered() throws Exception {
        host.broken = 503;
        start();
        until("it was asked", () -> host.requests.get() >= 2);
        Thread.sleep(1500);
        // Pauses grow from 50 ms: some eight tries fit into this time.
        assertTrue(host.requests.get() <= 14, () -> host.requests + " requests");
        host.stop();
        Thread.sleep(200);
        host.broken = 0;
        step.gate.release();
        host.calls.add("{}");
        host.open();
        assertTrue(answer().startsWith("l-1 "));
    }

    @Test
    void aRefusedTokenEndsTheWorkerWithWhatToDo() throws Exception {
        worker = described("another").build();
        String told = assertThrows(WorkerException.class, worker::run).getMessage();
        assertTrue(told.contains("the token is wrong (unauthorized)"), told);
        assertTrue(told.contains("whose SHA-256 stands under [remote] in shop.billing.payment.toml"), told);
        assertEquals(1, host.requests.get());
    }

    @Test
    void closingWaitsForCallsUnderWayAndTakesNoMore() throws Exception {
        host.calls.add("{}");
        start();
        until("the call is under way", () -> step.begun.size() == 1);
        until("it asks for more", () -> host.asked.size() >= 2);
        CountDownLatch closed = new CountDownLatch(1);
        new Thread(() -> {
                    worker.close();
                    closed.countDown();
                })
                .start();
        assertFalse(closed.await(300, TimeUnit.MILLISECONDS), "a call is under way");
        int requests = host.requests.get();
        step.gate.release();
        assertTrue(closed.await(20, TimeUnit.SECONDS));
        assertTrue(answer().startsWith("l-1 "));
        assertEquals(requests + 1, host.requests.get(), "the answer was the only request");
        assertTrue(step.interrupted.isEmpty());
        worker.join();
    }

    @Test
    void aWorkerServesSeveralHostsWithFewThreads() throws Exception {
        step.gate.release(1000);
        try (FakeHost other = new FakeHost()) {
            worker = described(FakeHost.TOKEN).host(other.uri()).concurrency(1).build();
            worker.start();
            for (int round = 0; round < 3; round++) {
                host.calls.add("{}");
                other.calls.add("{}");
            }
            until("both hosts are served", () -> host.answers.size() == 3 && other.answers.size() == 3);
            assertEquals(1, step.atOnceMax.get());
            worker.close();
        }
    }

    @Test
    void whatCannotWorkIsRefusedWhenItIsBuilt() {
        assertThrows(IllegalArgumentException.class, () -> Worker.builder().host("127.0.0.1:7070"));
        assertThrows(IllegalArgumentException.class, () -> Worker.builder().step("payment", step, "x"));
        assertThrows(IllegalArgumentException.class, () -> Worker.builder().step(FakeHost.ADDRESS, step, " "));
        assertThrows(IllegalArgumentException.class, () -> Worker.builder().name("a\nb"));
        assertThrows(IllegalArgumentException.class, () -> Worker.builder().concurrency(0));
        assertThrows(IllegalStateException.class, () -> Worker.builder().build());
    }
}
