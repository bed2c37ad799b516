package shop.customers;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.math.BigDecimal;
import java.util.Map;
import step.saga.CompensationLog;
import step.saga.Context;
import step.saga.Id;
import step.saga.Outcome;
import step.saga.Step;
import step.saga.Worker;

/**
 * The saga step shop.customers.notification: tells the customer of an order that it is complete. What was said cannot be
 * unsaid: undone, the customer is told that the order was taken back.
 */
public final class NotificationStep implements Step<NotificationStep.Order> {
    private static final String TOPIC = "shop.customers.notifications";

    /**
     * What of the body this step reads. Members it does not name go on untouched. An order over the counter has no
     * customer to be told.
     */
    public record Order(
            @JsonProperty(value = "order-id", required = true) Id orderId,
            @JsonProperty(required = true) BigDecimal amount,
            Id customer) {}

    @Override
    public Outcome handle(Context context, Order order) {
        return tell(order, "your order " + order.orderId() + " over " + order.amount().toPlainString() + " is complete");
    }

    @Override
    public Outcome compensate(Context context, Order order, CompensationLog log) {
        return tell(order, "your order " + order.orderId() + " was taken back");
    }

    /** The event leaves with the commit of this call: told once, and only of what happened. */
    private static Outcome tell(Order order, String text) {
        Outcome unchanged = Outcome.unchanged();
        if (order.customer() == null) {
            return unchanged;
        }
        return unchanged.emit(TOPIC, new Notification(order.customer(), text));
    }

    private record Notification(Id customer, String text) {}

    /** Serves the step for the host at SAGA_HOST with the token WORKER_TOKEN. */
    public static void main(String[] arguments) {
        Map<String, String> environment = System.getenv();
        Worker.builder()
                .host(environment.getOrDefault("SAGA_HOST", "http://127.0.0.1:7070"))
                .step("shop.customers.notification", new NotificationStep(), environment.get("WORKER_TOKEN"))
                .build()
                .run();
    }
}
