package step.saga;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** The part of a host that workers meet, made of the JDK's server: it hands out what a test queues and notes what it is told. */
final class FakeHost implements AutoCloseable {
    static final String ADDRESS = "shop.billing.payment";
    static final String TOKEN = "the-token";

    private static final ObjectMapper JSON = new ObjectMapper();

    /** Bodies of calls that nobody has. */
    final BlockingQueue<String> calls = new LinkedBlockingQueue<>();
    /** Requests for work, in their order. */
    final BlockingQueue<JsonNode> asked = new LinkedBlockingQueue<>();
    /** Answers that were accepted, as {@code lease body}. */
    final BlockingQueue<String> answers = new LinkedBlockingQueue<>();
    /** Renewals by lease. */
    final Map<String, AtomicInteger> renewals = new ConcurrentHashMap<>();

    final AtomicInteger requests = new AtomicInteger();
    final AtomicInteger handedOut = new AtomicInteger();

    /** Milliseconds of a lease. */
    volatile int lease = 30_000;
    /** Every request is answered with this status, if it is not 0. */
    volatile int broken;
    /** Every answer and renewal is refused with this status, if it is not 0. */
    volatile int refusesAnswers;

    /** An answer that publishes breaks the contract. */
    volatile boolean refusesEvents;

    /** More is handed out than is asked for. */
    volatile boolean isGenerous;

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private HttpServer server;
    private int port;

    FakeHost() throws IOException {
        open();
    }

    void open() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        port = server.getAddress().getPort();
        server.setExecutor(threads);
        server.createContext("/v1/steps/" + ADDRESS + "/work", this::serve);
        server.start();
    }

    /** Nobody listens any more, until it is opened again. */
    void stop() {
        server.stop(0);
    }

    @Override
    public void close() {
        stop();
        threads.shutdownNow();
    }

    String uri() {
        return "http://127.0.0.1:" + port;
    }

    private void serve(HttpExchange exchange) throws IOException {
        try (exchange) {
            requests.incrementAndGet();
            String request = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            String path = exchange.getRequestURI().getPath();
            String lease = path.substring(path.lastIndexOf('/') + 1);
            boolean isAnswer = !lease.equals("work");
            if (broken != 0 || isAnswer && refusesAnswers != 0) {
                reply(exchange, broken != 0 ? broken : refusesAnswers, "{\"code\":\"broken\",\"detail\":\"told to\"}");
            } else if (!("Bearer " + TOKEN).equals(exchange.getRequestHeaders().getFirst("authorization"))) {
                reply(exchange, 401, "{\"code\":\"unauthorized\",\"detail\":\"the token is wrong\"}");
            } else if (!isAnswer) {
                take(exchange, JSON.readTree(request));
            } else if (request.contains("\"renew\"")) {
                renewals.computeIfAbsent(lease, key -> new AtomicInteger()).incrementAndGet();
                reply(exchange, 200, "{\"lease-ms\":" + this.lease + "}");
            } else if (refusesEvents && request.contains("\"events\"")) {
                reply(exchange, 422, "{\"code\":\"answer-refused\",\"detail\":\"no such topic\"}");
            } else {
                answers.add(lease + " " + request);
                reply(exchange, 200, "{\"accepted\":true}");
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    private void take(HttpExchange exchange, JsonNode ask) throws IOException, InterruptedException {
        asked.add(ask);
        List<String> bodies = new ArrayList<>();
        String first = calls.poll(ask.get("wait-ms").longValue(), TimeUnit.MILLISECONDS);
        if (first != null) {
            bodies.add(first);
            calls.drainTo(
                    bodies, isGenerous ? Integer.MAX_VALUE : ask.get("max").intValue() - 1);
        }
        StringBuilder work = new StringBuilder("{\"work\":[");
        for (String body : bodies) {
            work.append(work.toString().endsWith("[") ? "" : ",").append(item(handedOut.incrementAndGet(), body));
        }
        reply(exchange, 200, work.append("]}").toString());
    }

    private String item(int number, String body) {
        return """
                {"lease":"l-%d","lease-ms":%d,"context":{"global-id":"o-%d","use-case":"shop","use-case-version":1,\
                "address":"%s","position":2,"direction":"handle","attempt":1,"idempotency-key":"o-%d/handle/2",\
                "deadline":"2030-01-01T00:00:00.000Z","signalled":null,"failure":null,"headers":{"trace":"é"}},\
                "body":%s}""".formatted(number, lease, number, ADDRESS, number, body);
    }

    private static void reply(HttpExchange exchange, int status, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }
}
