package step.saga.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * One call on its way: made, its lease renewed meanwhile, and answered. A call whose lease is over is interrupted; what it
 * answers is nobody's any more.
 */
final class LeasedCall implements Runnable {
    /** Parts of a lease after which it is renewed: two renewals may get lost. */
    private static final int RENEWALS_PER_LEASE = 3;
    /** Between two renewals, however short the rest of a lease is. */
    private static final Duration RENEWAL_PAUSE_MIN = Duration.ofMillis(100);
    /** Before a renewal that got no answer is sent again. */
    private static final Duration RENEWAL_REPEAT = Duration.ofMillis(500);
    /** The longest pause between two tries to answer. */
    private static final Duration ANSWER_PAUSE_MAX = Duration.ofSeconds(1);

    private final Logger log;
    private final HostClient client;
    private final StepCaller<?> caller;
    private final Work work;
    private final ScheduledExecutorService timer;
    private final Runnable whenOver;

    /** Guards what follows. */
    private final Object lock = new Object();

    /** The thread in the step's code. */
    private Thread caught;
    /** The step is at it. The lease is renewed as long as it is. */
    private boolean isUnderWay = true;

    private boolean isLost;
    /** By {@link System#nanoTime()}. */
    private long leaseEnd;

    private ScheduledFuture<?> renewal;

    LeasedCall(
            Logger log,
            HostClient client,
            StepCaller<?> caller,
            Work work,
            ScheduledExecutorService timer,
            Runnable whenOver) {
        this.log = log;
        this.client = client;
        this.caller = caller;
        this.work = work;
        this.timer = timer;
        this.whenOver = whenOver;
        this.leaseEnd = System.nanoTime() + work.leaseSpan().toNanos();
    }

    /** Renew the lease from now on, also while no thread has come to the call. */
    LeasedCall begin() {
        synchronized (lock) {
            renewIn(pauseOf(work.leaseSpan()));
        }
        return this;
    }

    @Override
    public void run() {
        try {
            synchronized (lock) {
                if (isLost) {
                    return;
                }
                caught = Thread.currentThread();
            }
            Answer answer = caller.call(work.context(), work.body(), work.log());
            if (endOfStep()) {
                deliver(answer.toJson());
            }
        } finally {
            endOfStep();
            whenOver.run();
        }
    }

    /** The step is out of its code: nothing interrupts this thread any more. Answers whether the call is still ours. */
    private boolean endOfStep() {
        synchronized (lock) {
            isUnderWay = false;
            caught = null;
            if (renewal != null) {
                renewal.cancel(false);
            }
            // An interruption was meant for the step.
            Thread.interrupted();
            return !isLost;
        }
    }

    private void deliver(String answer) {
        String body = answer;
        boolean wasRefused = false;
        Backoff backoff = new Backoff(ANSWER_PAUSE_MAX);
        while (true) {
            String problem;
            try {
                HostClient.Reply reply = HostClient.await(client.answer(work.lease(), body));
                if (reply.isGood()) {
                    return;
                }
                problem = reply.told();
                if (!reply.mayPass() && (wasRefused || reply.isLeaseOver() || reply.isTokenRefused())) {
                    tell(Level.WARNING, "its answer was not taken: {0}", problem);
                    return;
                }
                if (!reply.mayPass()) {
                    // It breaks the contract, and would again: the host learns why instead, and the saga's owner from
                    // it.
                    tell(Level.ERROR, "the host refused its answer: {0}", problem);
                    body = Answer.retry("the host refused the answer of the step: " + problem)
                            .toJson();
                    wasRefused = true;
                    continue;
                }
            } catch (IOException error) {
                problem = HostClient.told(error);
            } catch (InterruptedException error) {
                tell(Level.WARNING, "it was interrupted while it was answered{0}", "");
                return;
            }
            if (!pause(backoff.next())) {
                tell(Level.WARNING, "it could not be answered before its lease was over: {0}", problem);
                return;
            }
        }
    }

    /** Wait a while, if the lease lasts as long. */
    private boolean pause(Duration pause) {
        synchronized (lock) {
            if (leaseEnd - System.nanoTime() <= pause.toNanos()) {
                return false;
            }
        }
        try {
            Thread.sleep(pause.toMillis());
            return true;
        } catch (InterruptedException error) {
            return false;
        }
    }

    private void renew() {
        synchronized (lock) {
            if (!isUnderWay) {
                return;
            }
        }
        long sent = System.nanoTime();
        client.renew(work.lease()).whenComplete((reply, thrown) -> {
            synchronized (lock) {
                if (isUnderWay && !isLost) {
                    renewed(sent, reply, thrown);
                }
            }
        });
    }

    /** Called under the lock. */
    private void renewed(long sent, HostClient.Reply reply, Throwable thrown) {
        if (thrown == null && reply.isGood()) {
            try {
                long span = JsonText.MAPPER
                        .readTree(reply.text())
                        .required("lease-ms")
                        .longValue();
                leaseEnd = sent + TimeUnit.MILLISECONDS.toNanos(span);
                renewIn(pauseOf(Duration.ofMillis(span)));
                return;
            } catch (JsonProcessingException | IllegalArgumentException error) {
                tell(Level.WARNING, "the host's answer to a renewal cannot be read: {0}", error.getMessage());
            }
        } else if (thrown == null && reply.isLeaseOver()) {
            lose(reply.told());
            return;
        }
        String problem = thrown == null ? reply.told() : HostClient.told(HostClient.asIoException(thrown));
        if (leaseEnd - System.nanoTime() <= 0) {
            lose(problem);
        } else {
            renewIn(RENEWAL_REPEAT);
        }
    }

    /** Called under the lock. */
    private void lose(String problem) {
        isLost = true;
        tell(Level.WARNING, "its lease is over, it is interrupted: {0}", problem);
        if (caught != null) {
            caught.interrupt();
        }
    }

    /** Called under the lock. */
    private void renewIn(Duration pause) {
        if (isUnderWay) {
            renewal = timer.schedule(this::renew, pause.toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    private static Duration pauseOf(Duration lease) {
        Duration part = lease.dividedBy(RENEWALS_PER_LEASE);
        return part.compareTo(RENEWAL_PAUSE_MIN) < 0 ? RENEWAL_PAUSE_MIN : part;
    }

    private void tell(Level level, String what, String why) {
        String call = work.context().idempotencyKey() + " of " + client.address() + ": ";
        // What comes from outside is no pattern.
        log.log(level, () -> call + what.replace("{0}", why));
    }
}
