package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import step.saga.testing.Run;
import step.saga.testing.TestHost;

/** The example works, and the README shows it. */
class PaymentTest {
    private static final String ORDER = "{\"order-id\":\"o-1\",\"item\":\"book\",\"amount\":%s,\"gift\":true}";

    private final Bank bank = new Bank();
    private final TestHost host = new TestHost(new Payment(bank));

    @Test
    void ordersUpToAThousandAreChargedOnceAndGivenBack() {
        String order = ORDER.formatted("1000.00");
        host.handle(order).done();
        Run again = host.attempt(2).handle(order);
        assertEquals(order, again.done().body());
        assertEquals(Map.of("test-saga/handle/0", "charge of 1000.00 for o-1"), bank.charges);
        host.undo(again).done();
        assertEquals(Map.of("test-saga/compensate/0", "charge of 1000.00 for o-1"), bank.refunds);
    }

    @Test
    void moreIsRefused() {
        assertEquals(
                "payment-refused",
                host.handle(ORDER.formatted("1000.01")).rejected().code());
        assertEquals(
                "unknown-payment",
                host.compensate(ORDER.formatted("1.00")).rejected().code());
    }

    /** The page shows what is compiled here. */
    @Test
    void theReadmeShowsThisStep() throws Exception {
        String source = Files.readString(Path.of("src/test/java/example/Payment.java"));
        String shown = source.substring(source.indexOf("public final class"));
        assertTrue(Files.readString(Path.of("README.md")).contains("```java\n" + shown + "```\n"));
    }
}
