package step.saga.internal;

import java.util.concurrent.Semaphore;

/**
 * The calls that a worker can run at once. Whoever asks a host for calls holds a seat for each of them first, so nothing is
 * taken that cannot begin.
 */
final class Seats {
    /** Calls that a host hands out at once. */
    private static final int TAKE_COUNT_MAX = 64;

    private final int count;
    private final Semaphore free;

    Seats(int count) {
        this.count = count;
        this.free = new Semaphore(count, true);
    }

    /** One seat, as soon as there is one. */
    int takeOne() throws InterruptedException {
        free.acquire();
        return 1;
    }

    /** One seat, as soon as there is one, and with it the others that are free and that nobody waits for. */
    int takeMany() throws InterruptedException {
        free.acquire();
        int more = Math.min(free.availablePermits(), TAKE_COUNT_MAX - 1);
        boolean isAlone = !free.hasQueuedThreads();
        return more > 0 && isAlone && free.tryAcquire(more) ? 1 + more : 1;
    }

    void giveBack(int taken) {
        free.release(taken);
    }

    /** Wait until nobody sits any more. */
    void awaitEmpty() {
        free.acquireUninterruptibly(count);
    }
}
