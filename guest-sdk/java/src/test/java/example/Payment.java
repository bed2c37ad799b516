package example;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.math.BigDecimal;
import java.util.Map;
import step.saga.CompensationLog;
import step.saga.Context;
import step.saga.Id;
import step.saga.Outcome;
import step.saga.Rejected;
import step.saga.Step;
import step.saga.Worker;

/** Charges an order, up to a limit. Undone, the money is given back. README.md shows it from here on. */
public final class Payment implements Step<Payment.Order> {
    /** What this step reads of the body. Members it does not name go on untouched, in order, digit for digit. */
    public record Order(@JsonProperty("order-id") Id orderId, BigDecimal amount) {}

    private static final BigDecimal LIMIT = new BigDecimal("1000");

    private final Bank bank;

    public Payment(Bank bank) {
        this.bank = bank;
    }

    @Override
    public Outcome handle(Context context, Order order) throws Exception {
        if (order.amount().compareTo(LIMIT) > 0) {
            throw new Rejected("payment-refused", order.amount() + " is above the limit of " + LIMIT)
                    .withDetails(Map.of("amount", order.amount(), "limit", LIMIT));
        }
        // The key is the same for each try: a charge that was made already is found and not made again.
        String charge = bank.charge(context.idempotencyKey(), order.orderId(), order.amount());
        return Outcome.unchanged().withCompensation(charge);
    }

    @Override
    public Outcome compensate(Context context, Order order, CompensationLog log) throws Exception {
        String charge = log.as(String.class)
                .orElseThrow(() -> new Rejected("unknown-payment", "there is no payment to give back"));
        bank.refund(context.idempotencyKey(), charge);
        return Outcome.unchanged();
    }

    public static void main(String[] arguments) {
        Worker.builder()
                .host("http://127.0.0.1:7070")
                .step("shop.billing.payment", new Payment(new Bank()), System.getenv("PAYMENT_TOKEN"))
                .build()
                .run();
    }
}
