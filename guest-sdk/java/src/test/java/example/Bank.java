package example;

import java.math.BigDecimal;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import step.saga.Id;

/** Stands for an outside system that knows idempotency keys: the same key again does nothing and answers the same. */
public final class Bank {
    final Map<String, String> charges = new ConcurrentHashMap<>();
    final Map<String, String> refunds = new ConcurrentHashMap<>();

    String charge(String key, Id order, BigDecimal amount) {
        return charges.computeIfAbsent(key, unused -> "charge of " + amount + " for " + order);
    }

    void refund(String key, String charge) {
        refunds.putIfAbsent(key, charge);
    }
}
