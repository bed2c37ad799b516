package shop.customers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import step.saga.testing.Run;
import step.saga.testing.TestHost;

class NotificationStepTest {
    private static final String ORDER =
            "{\"order-id\":\"o-1\",\"item\":\"book\",\"quantity\":2,\"amount\":12.50,\"customer\":7}";

    private final TestHost host = new TestHost(new NotificationStep()).manifestIn(Path.of("."));

    @Test
    void theCustomerIsToldWhatBecameOfTheOrder() {
        Run run = host.handle(ORDER);
        assertEquals(ORDER, run.done().body());
        assertEquals("shop.customers.notifications", run.done().events().get(0).topic());
        assertEquals("{\"customer\":7,\"text\":\"your order o-1 over 12.50 is complete\"}", said(run));
        assertEquals("{\"customer\":7,\"text\":\"your order o-1 was taken back\"}", said(host.undo(run)));
    }

    @Test
    void anOrderOfNobodyTellsNobody() {
        assertEquals(List.of(), host.handle("{\"order-id\":\"o-1\",\"amount\":1}").done().events());
    }

    private static String said(Run run) {
        return run.done().events().get(0).body();
    }
}
