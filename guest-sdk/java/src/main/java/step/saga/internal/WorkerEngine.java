package step.saga.internal;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.URI;
import java.net.http.HttpClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** The threads of a worker: a loop for each host and step, one for each call that may run, one timer, one that ends it all. */
public final class WorkerEngine {
    private static final Logger LOG = System.getLogger("step.saga.Worker");

    private final List<PollLoop> loops = new ArrayList<>();
    private final ExecutorService calls;
    private final ScheduledThreadPoolExecutor timer;
    private final Seats seats;
    private final AtomicBoolean isStarted = new AtomicBoolean();
    private final AtomicReference<String> failure = new AtomicReference<>();
    private final CountDownLatch stopAsked = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);

    /** A step that a worker serves. */
    public record Served(String address, StepCaller<?> caller, String token) {}

    /** Nothing runs until {@link #start()}. */
    public WorkerEngine(HttpClient http, List<URI> hosts, List<Served> steps, int concurrency, String name) {
        calls = Executors.newFixedThreadPool(concurrency, threads("saga-call-"));
        timer = new ScheduledThreadPoolExecutor(1, threads("saga-timer-"));
        timer.setRemoveOnCancelPolicy(true);
        seats = new Seats(concurrency);
        PollLoop.Stop stop = new PollLoop.Stop() {
            @Override
            public boolean isAsked() {
                return stopAsked.getCount() == 0;
            }

            @Override
            public void because(String reason) {
                failure.compareAndSet(null, reason);
                stopAsked.countDown();
            }
        };
        boolean isCrowded = hosts.size() * steps.size() > concurrency;
        for (URI host : hosts) {
            for (Served step : steps) {
                HostClient client = new HostClient(http, host, step.address(), step.token());
                loops.add(new PollLoop(LOG, client, name, seats, isCrowded, work -> begin(client, step, work), stop));
            }
        }
        LOG.log(Level.DEBUG, "worker {0} of {1} steps at {2} hosts", name, steps.size(), hosts.size());
    }

    private void begin(HostClient client, Served step, Work work) {
        Runnable whenOver = () -> seats.giveBack(1);
        calls.execute(new LeasedCall(LOG, client, step.caller(), work, timer, whenOver).begin());
    }

    /** Begin to ask. */
    public void start() {
        if (!isStarted.compareAndSet(false, true)) {
            throw new IllegalStateException("this worker was started before; build another one");
        }
        ThreadFactory threads = threads("saga-poll-");
        List<Thread> polling = loops.stream().map(threads::newThread).toList();
        polling.forEach(Thread::start);
        // A thread of its own: what asks for the end may be one of those that must end first.
        new Thread(() -> end(polling), "saga-worker").start();
    }

    private void end(List<Thread> polling) {
        awaitUninterruptibly(stopAsked);
        String reason = failure.get();
        if (reason != null) {
            LOG.log(Level.ERROR, () -> "the worker ends: " + reason);
        }
        polling.forEach(Thread::interrupt);
        polling.forEach(WorkerEngine::joinUninterruptibly);
        seats.awaitEmpty();
        calls.shutdown();
        timer.shutdownNow();
        ended.countDown();
    }

    /** Wait for the end. Answers why it cannot work, if that is why. */
    public Optional<String> join() {
        if (!isStarted.get()) {
            throw new IllegalStateException("this worker was not started");
        }
        awaitUninterruptibly(ended);
        return Optional.ofNullable(failure.get());
    }

    /** Take no more calls, and wait until those under way have ended. */
    public void close() {
        stopAsked.countDown();
        if (isStarted.compareAndSet(false, true)) {
            calls.shutdown();
            timer.shutdownNow();
            ended.countDown();
        }
        awaitUninterruptibly(ended);
    }

    private static ThreadFactory threads(String prefix) {
        AtomicInteger count = new AtomicInteger();
        return task -> new Thread(task, prefix + count.incrementAndGet());
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        boolean wasInterrupted = false;
        while (true) {
            try {
                latch.await();
                break;
            } catch (InterruptedException error) {
                wasInterrupted = true;
            }
        }
        if (wasInterrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void joinUninterruptibly(Thread thread) {
        boolean wasInterrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException error) {
                wasInterrupted = true;
            }
        }
        if (wasInterrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
