package step.saga.internal;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** Pauses between tries that fail: each twice as long as the one before, up to a bound, and a part of it by chance. */
final class Backoff {
    private static final Duration FIRST = Duration.ofMillis(100);

    private final Duration longest;
    private int count;

    Backoff(Duration longest) {
        this.longest = longest;
    }

    /** How long to wait now: between half of the pause and the whole, so that many workers do not come back at once. */
    Duration next() {
        long pause = Math.min(FIRST.toMillis() << Math.min(count, 20), longest.toMillis());
        count++;
        return Duration.ofMillis(ThreadLocalRandom.current().nextLong(pause / 2, pause + 1));
    }

    void reset() {
        count = 0;
    }
}
