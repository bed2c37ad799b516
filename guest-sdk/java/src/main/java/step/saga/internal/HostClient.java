package step.saga.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Speaks with one host about one step. Knows requests and answers, not what they are for. */
final class HostClient {
    /** How long a request may take beyond the time that the host was asked to wait. */
    private static final Duration ANSWER_TIME_MAX = Duration.ofSeconds(15);

    private final HttpClient http;
    private final URI host;
    private final String address;
    private final String authorization;

    HostClient(HttpClient http, URI host, String address, String token) {
        this.http = http;
        this.host = host;
        this.address = address;
        this.authorization = "Bearer " + token;
    }

    /** What a host answered. */
    record Reply(int status, String text) {
        /** The lease is over, or was never given by this host. */
        boolean isLeaseOver() {
            return status == 409;
        }

        boolean isGood() {
            return status == 200;
        }

        /** The token is wrong, or not shown. */
        boolean isTokenRefused() {
            return status == 401 || status == 403;
        }

        /** It may be different in a while: the host starts or stops, is busy, or does not have the step yet. */
        boolean mayPass() {
            return status >= 500 || status == 404 || status == 408 || status == 429;
        }

        /** The host's own words, or the beginning of what stands in their place. */
        String told() {
            try {
                JsonNode problem = JsonText.MAPPER.readTree(text);
                if (problem.path("detail").isTextual()) {
                    return problem.path("detail").textValue() + " ("
                            + problem.path("code").asText("") + ")";
                }
            } catch (JsonProcessingException error) {
                // Told as it is, below: something between here and the host answered.
            }
            return "HTTP " + status + " " + text.substring(0, Math.min(text.length(), 200));
        }
    }

    URI host() {
        return host;
    }

    String address() {
        return address;
    }

    /** Ask for calls; the host waits for the first. */
    CompletableFuture<Reply> ask(String worker, int max, Duration wait) {
        Map<String, Object> body = Map.of("worker", worker, "max", max, "wait-ms", wait.toMillis());
        return post("", JsonText.write("the request", body), wait.plus(ANSWER_TIME_MAX));
    }

    CompletableFuture<Reply> renew(String lease) {
        return post("/" + lease, "{\"renew\":true}", ANSWER_TIME_MAX);
    }

    CompletableFuture<Reply> answer(String lease, String body) {
        return post("/" + lease, body, ANSWER_TIME_MAX);
    }

    private CompletableFuture<Reply> post(String path, String body, Duration timeMax) {
        URI uri = URI.create(host + "/v1/steps/" + address + "/work" + path);
        HttpRequest request = HttpRequest.newBuilder(uri)
                .header("authorization", authorization)
                .header("content-type", "application/json")
                .timeout(timeMax)
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        CompletableFuture<HttpResponse<String>> sent = http.sendAsync(request, HttpResponse.BodyHandlers.ofString());
        CompletableFuture<Reply> reply = sent.thenApply(response -> new Reply(response.statusCode(), response.body()));
        // Whoever gives up the second ends the first, and with it the connection: so a host knows that nobody listens.
        reply.whenComplete((answer, thrown) -> {
            if (thrown != null) {
                sent.cancel(true);
            }
        });
        // The time of the request ends with the head of the answer; the rest must come too.
        return reply.orTimeout(timeMax.toMillis(), TimeUnit.MILLISECONDS);
    }

    /**
     * Wait for a reply.
     *
     * @throws IOException if there is none
     */
    static Reply await(CompletableFuture<Reply> reply) throws IOException, InterruptedException {
        try {
            return reply.get();
        } catch (ExecutionException error) {
            throw asIoException(error.getCause());
        }
    }

    static IOException asIoException(Throwable thrown) {
        Throwable cause = thrown;
        while (cause.getCause() != null && !(cause instanceof IOException)) {
            cause = cause.getCause();
        }
        if (cause instanceof TimeoutException) {
            return new IOException("there was no answer in time", cause);
        }
        return cause instanceof IOException io ? io : new IOException(cause);
    }

    /** An exception in words: some of those of the network have none. */
    static String told(IOException error) {
        String message = error.getMessage();
        String kind = error.getClass().getSimpleName();
        return message == null || message.isBlank() ? kind : kind + ": " + message;
    }
}
