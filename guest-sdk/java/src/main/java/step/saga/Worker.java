package step.saga;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import step.saga.internal.StepCaller;
import step.saga.internal.WorkerEngine;

/**
 * Asks hosts for calls of steps, makes them, and answers.
 *
 * <pre>{@code
 * Worker.builder()
 *     .host("http://127.0.0.1:7070")
 *     .step("shop.billing.payment", new Payment(), token)
 *     .concurrency(8)
 *     .build()
 *     .run();
 * }</pre>
 *
 * <p>It takes no more calls than it can begin at once, renews their leases while the step is at it, and interrupts a call
 * whose lease is over: another worker may have it by then. While a host does not answer, it asks again after growing pauses.
 * A token that is refused ends it.
 */
public final class Worker implements AutoCloseable {
    private final WorkerEngine engine;

    private Worker(Builder builder) {
        engine = new WorkerEngine(
                builder.http, builder.hosts, List.copyOf(builder.steps), builder.concurrency, builder.name);
    }

    /**
     * Begins to describe a worker.
     *
     * @return a builder; a host and a step must be named
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Begins to ask for calls, and returns. The program lives on until the worker is closed.
     *
     * @throws IllegalStateException if it was started before
     */
    public void start() {
        engine.start();
    }

    /**
     * Works until the program is told to end (SIGTERM, Ctrl-C) or {@link #close()} is called: then no new call is taken, and
     * those under way end first.
     *
     * @throws WorkerException if it cannot work
     * @throws IllegalStateException if it was started before
     */
    public void run() {
        Thread hook = new Thread(this::close, "saga-worker-shutdown");
        Runtime.getRuntime().addShutdownHook(hook);
        try {
            start();
            join();
        } finally {
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException ending) {
                // The hook runs; it is why the worker has ended.
            }
        }
    }

    /**
     * Waits until the worker has ended.
     *
     * @throws WorkerException if it ended because it cannot work
     * @throws IllegalStateException if it was not started
     */
    public void join() {
        engine.join().ifPresent(reason -> {
            throw new WorkerException(reason);
        });
    }

    /** Takes no new call, and returns when those under way have ended. Must not be called by a step. */
    @Override
    public void close() {
        engine.close();
    }

    /** Describes a worker. */
    public static final class Builder {
        private final List<URI> hosts = new ArrayList<>();
        private final List<WorkerEngine.Served> steps = new ArrayList<>();
        private HttpClient http;
        private int concurrency = 8;
        private String name;

        private Builder() {}

        /**
         * Adds a host to ask. Each hands out the calls of its own share, so name all of them.
         *
         * @param address {@code http://127.0.0.1:7070}, or with a path, if something in front of the host adds one
         * @return this
         */
        public Builder host(String address) {
            URI uri = URI.create(address.replaceAll("/+$", ""));
            boolean isHttp = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
            if (!isHttp || uri.getHost() == null || uri.getQuery() != null) {
                throw new IllegalArgumentException(address + " is no address of a host; write http://name:7070");
            }
            hosts.add(uri);
            return this;
        }

        /**
         * Adds a step to serve.
         *
         * @param address its address: domain.subdomain.service
         * @param step the step
         * @param token what opens its work: the one whose SHA-256 stands in the step's manifest
         * @return this
         */
        public Builder step(String address, Step<?> step, String token) {
            if (!address.matches("([a-z0-9][a-z0-9-]*\\.){2}[a-z0-9][a-z0-9-]*")) {
                throw new IllegalArgumentException(
                        address + " is no address of a step; write domain.subdomain.service");
            }
            if (token == null || token.isBlank()) {
                throw new IllegalArgumentException("there is no token for " + address
                        + "; hand in the one whose SHA-256 stands under [remote] in " + address + ".toml");
            }
            steps.add(new WorkerEngine.Served(address, new StepCaller<>(step), token.strip()));
            return this;
        }

        /**
         * Says how many calls may run at once, of all hosts and steps together; 8 if nothing is said.
         *
         * @param count at least 1
         * @return this
         */
        public Builder concurrency(int count) {
            if (count < 1) {
                throw new IllegalArgumentException("a worker runs at least one call at once, not " + count);
            }
            concurrency = count;
            return this;
        }

        /**
         * Says how people see the worker in {@code saga plugins}; the machine's name and the process id if nothing is said.
         *
         * @param name 1 to 128 printable characters
         * @return this
         */
        public Builder name(String name) {
            boolean isGood = !name.isBlank()
                    && name.codePointCount(0, name.length()) <= 128
                    && name.codePoints().noneMatch(Character::isISOControl);
            if (!isGood) {
                throw new IllegalArgumentException("a worker's name has 1 to 128 printable characters");
            }
            this.name = name;
            return this;
        }

        /**
         * Says how to connect, where the usual way will not do: certificates, a proxy. Requests must be able to wait.
         *
         * @param client what sends the requests
         * @return this
         */
        public Builder httpClient(HttpClient client) {
            http = Objects.requireNonNull(client);
            return this;
        }

        /**
         * Makes the worker. It does nothing until it is started.
         *
         * @return the worker
         * @throws IllegalStateException if no host or no step is named
         */
        public Worker build() {
            if (hosts.isEmpty() || steps.isEmpty()) {
                throw new IllegalStateException("a worker needs at least one host and one step");
            }
            if (http == null) {
                http = HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .connectTimeout(Duration.ofSeconds(5))
                        .build();
            }
            if (name == null) {
                name(machine() + "-" + ProcessHandle.current().pid());
            }
            return new Worker(this);
        }

        private static String machine() {
            String name = System.getenv("HOSTNAME");
            if (name != null && !name.isBlank()) {
                return name;
            }
            try {
                return InetAddress.getLocalHost().getHostName();
            } catch (UnknownHostException error) {
                return "java";
            }
        }
    }
}
