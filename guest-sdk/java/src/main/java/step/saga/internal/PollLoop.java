package step.saga.internal;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * Asks one host for calls of one step, again and again, and has them run. While there is nothing it holds one seat and waits
 * long; while there is work it takes as many as are free.
 */
final class PollLoop implements Runnable {
    /** The longest pause between two tries when a host does not answer. */
    private static final Duration PAUSE_MAX = Duration.ofSeconds(5);
    /** How long a host waits for the first call. */
    private static final Duration WAIT_IDLE = Duration.ofSeconds(20);
    /** The same while seats are held that another host may have work for. */
    private static final Duration WAIT_BUSY = Duration.ofSeconds(1);
    /** An answer without a call that comes sooner did not wait: asking again at once would be a loop without a pause. */
    private static final Duration WAIT_LEAST = Duration.ofMillis(100);

    private final Logger log;
    private final HostClient client;
    private final String worker;
    private final Seats seats;
    private final Duration waitWithOne;
    private final Consumer<Work> runner;
    private final Stop stop;
    private final Backoff backoff = new Backoff(PAUSE_MAX);
    private int failureCount;
    private boolean isBusy;

    /**
     * What makes a worker end.
     */
    interface Stop {
        boolean isAsked();

        /** End for this reason. */
        void because(String reason);
    }

    /**
     * One loop of several.
     *
     * @param isCrowded there are more loops than seats
     */
    PollLoop(
            Logger log,
            HostClient client,
            String worker,
            Seats seats,
            boolean isCrowded,
            Consumer<Work> runner,
            Stop stop) {
        this.log = log;
        this.client = client;
        this.worker = worker;
        this.seats = seats;
        this.waitWithOne = isCrowded ? WAIT_BUSY : WAIT_IDLE;
        this.runner = runner;
        this.stop = stop;
    }

    /** Until it is interrupted because the worker ends. */
    @Override
    public void run() {
        try {
            while (!stop.isAsked()) {
                round();
            }
        } catch (InterruptedException end) {
            // The one that asked for the end waits for this thread.
            Thread.currentThread().interrupt();
        } catch (RuntimeException | Error error) {
            // A bug of ours. A worker that ends is seen and started again; one that asks nobody any more is not.
            log.log(Level.ERROR, "asking " + client.host() + " for calls of " + client.address() + " failed", error);
            stop.because("asking " + client.host() + " for calls of " + client.address() + " failed: " + error);
        }
    }

    private void round() throws InterruptedException {
        int held = isBusy ? seats.takeMany() : seats.takeOne();
        int begun = 0;
        try {
            long asked = System.nanoTime();
            List<Work> taken = take(held);
            // A host that hands out more than it was asked for gets the rest back when its lease is over.
            for (Work work : taken.subList(0, Math.min(held, taken.size()))) {
                runner.accept(work);
                begun++;
            }
            isBusy = begun > 0;
            boolean cameAtOnce = System.nanoTime() - asked < WAIT_LEAST.toNanos();
            if (failureCount == 0 && taken.isEmpty() && cameAtOnce) {
                Thread.sleep(WAIT_LEAST.toMillis());
            }
        } finally {
            // Each call that began gives its own seat back.
            seats.giveBack(held - begun);
        }
        if (failureCount > 0 && !stop.isAsked()) {
            Thread.sleep(backoff.next().toMillis());
        }
    }

    /** What the host hands out; nothing if it does not answer, which makes the loop pause. */
    private List<Work> take(int count) throws InterruptedException {
        CompletableFuture<HostClient.Reply> asked = client.ask(worker, count, count > 1 ? WAIT_BUSY : waitWithOne);
        try {
            return worksOf(HostClient.await(asked));
        } catch (InterruptedException end) {
            if (asked.cancel(true) || asked.isCompletedExceptionally()) {
                throw end;
            }
            // It has come in the same moment and is ours: nobody else would get it before its lease is over.
            Thread.currentThread().interrupt();
            return worksOf(asked.join());
        } catch (IOException error) {
            failed(HostClient.told(error));
            return List.of();
        }
    }

    private List<Work> worksOf(HostClient.Reply reply) {
        try {
            return read(reply);
        } catch (ProtocolException error) {
            failed(HostClient.told(error));
            return List.of();
        }
    }

    private List<Work> read(HostClient.Reply reply) throws ProtocolException {
        if (reply.isGood()) {
            List<Work> works = Work.listOf(reply.text());
            if (failureCount > 1) {
                log.log(Level.INFO, "{0} hands out calls of {1} again", client.host(), client.address());
            }
            failureCount = 0;
            backoff.reset();
            return works;
        }
        if (reply.mayPass()) {
            failed(reply.told());
            return List.of();
        }
        String cure = reply.isTokenRefused()
                ? "; give the worker the token whose SHA-256 stands under [remote] in " + client.address() + ".toml"
                : "";
        stop.because(client.host() + " refuses work of " + client.address() + ": " + reply.told() + cure);
        return List.of();
    }

    /** The first failure may be a connection that was closed while nobody used it; more are worth a line, once. */
    private void failed(String why) {
        failureCount++;
        if (failureCount == 2) {
            log.log(
                    Level.WARNING,
                    "{0} hands out no calls of {1}: {2}; asking again until it does",
                    client.host(),
                    client.address(),
                    why);
        }
    }
}
