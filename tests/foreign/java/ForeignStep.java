// A step that is no component: a service that keeps the stock of a shop, in plain Java. It reads its step's two topics,
// and what it answers goes out in one transaction with its positions, so that each message is answered exactly once,
// whenever this process dies. It uses nothing but Apache's own Java client.
//
//   java ForeignStep <bootstrap> <prefix> <address> <id>
//
// The prefix is the host's `broker.prefix`, "" if it has none. The id names this process, in the group and in its
// transactions: the one that takes the place of one that died has the same, those that run side by side do not.
// It books on the topic `legacy.stock`, which has to be there unless the brokers make topics by themselves, refuses an
// order of more than a hundred, and ends with SIGTERM.

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class ForeignStep implements ConsumerRebalanceListener {
    // Numbers of a body go on with all of their digits.
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .build();
    private static final long QUANTITY_MAX = 100;
    // Before what failed is tried again.
    private static final long PAUSE_NANOS = 1_000_000_000L;

    private final String prefix;
    private final String address;
    private final KafkaConsumer<String, String> consumer;
    private final KafkaProducer<String, String> producer;
    // What was done beyond the positions when the partitions came to us.
    private final Map<TopicPartition, NavigableSet<Long>> doneBeyond = new HashMap<>();

    public static void main(String[] args) throws Exception {
        if (args.length != 4) {
            throw new IllegalArgumentException("wants <bootstrap> <prefix> <address> <id>");
        }
        var step = new ForeignStep(args[0], args[1], args[2], args[3]);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            step.consumer.wakeup();
            try {
                main.join();
            } catch (InterruptedException hurried) {
                Thread.currentThread().interrupt();
            }
        }));
        step.run();
    }

    private ForeignStep(String bootstrap, String prefix, String address, String id) {
        this.prefix = prefix;
        this.address = address;
        Map<String, Object> reads = new HashMap<>();
        reads.put("bootstrap.servers", bootstrap);
        // The group of the step, whoever does its work: a component that comes after us goes on where we were.
        reads.put("group.id", prefix + address);
        // Who comes back under this name has its partitions at once, and needs not wait until it is missed.
        reads.put("group.instance.id", id);
        reads.put("session.timeout.ms", 10_000);
        reads.put("partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
        reads.put("isolation.level", "read_committed");
        // Positions go with the transaction, and where there is none yet, nothing is passed over.
        reads.put("enable.auto.commit", false);
        reads.put("auto.offset.reset", "earliest");
        reads.put("max.poll.records", 20);
        // Topics are made by the host or by a person, who know how long they have to be kept. Look for them often.
        reads.put("allow.auto.create.topics", false);
        reads.put("metadata.max.age.ms", 2_000);
        consumer = new KafkaConsumer<>(reads, new StringDeserializer(), new StringDeserializer());
        Map<String, Object> writes = new HashMap<>();
        writes.put("bootstrap.servers", bootstrap);
        writes.put("acks", "all");
        writes.put("enable.idempotence", true);
        writes.put("transactional.id", prefix + address + "-" + id);
        // What a process that died had begun holds back all readers of what is behind it for so long.
        writes.put("transaction.timeout.ms", 10_000);
        producer = new KafkaProducer<>(writes, new StringSerializer(), new StringSerializer());
    }

    private void run() {
        // What one of the same id had begun and not committed is aborted here.
        producer.initTransactions();
        consumer.subscribe(List.of(prefix + address + ".in", prefix + address + ".compensate"), this);
        try {
            while (true) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofSeconds(1));
                if (!records.isEmpty()) {
                    answer(records);
                }
            }
        } catch (WakeupException asked) {
            // We are to end. Whoever takes over need not wait until we are missed.
            consumer.close(CloseOptions.groupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
            producer.close();
        }
    }

    // All answers and the positions behind the messages are one transaction.
    private void answer(ConsumerRecords<String, String> records) {
        producer.beginTransaction();
        try {
            for (ConsumerRecord<String, String> record : records) {
                if (!isDone(record)) {
                    answers(record).forEach(producer::send);
                }
            }
            producer.sendOffsetsToTransaction(positionsBehind(records), consumer.groupMetadata());
            producer.commitTransaction();
        } catch (KafkaException failed) {
            System.err.println("answers are taken back: " + failed + ", caused by " + failed.getCause());
            // Where not even that can be done, the process ends, and the next one begins where the last commit was.
            producer.abortTransaction();
            rewind(records);
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }

    private void rewind(ConsumerRecords<String, String> records) {
        for (TopicPartition partition : records.partitions()) {
            if (consumer.assignment().contains(partition)) {
                consumer.seek(partition, records.records(partition).get(0).offset());
            }
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        consumer.committed(Set.copyOf(partitions)).forEach((partition, position) -> doneBeyond.put(
                partition, position == null ? new TreeSet<>() : Beyond.read(position.offset(), position.metadata())));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        doneBeyond.keySet().removeAll(partitions);
    }

    private boolean isDone(ConsumerRecord<String, String> record) {
        return doneBeyond.get(new TopicPartition(record.topic(), record.partition())).contains(record.offset());
    }

    // Whoever comes after us must know as well what was done beyond them.
    private Map<TopicPartition, OffsetAndMetadata> positionsBehind(ConsumerRecords<String, String> records) {
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        records.nextOffsets().forEach((partition, next) -> {
            NavigableSet<Long> done = doneBeyond.get(partition);
            long position = next.offset();
            while (done.contains(position)) {
                position++;
            }
            positions.put(partition, new OffsetAndMetadata(position, Beyond.write(position, done.tailSet(position))));
        });
        return positions;
    }

    private List<ProducerRecord<String, String>> answers(ConsumerRecord<String, String> record) {
        try {
            boolean isBack = record.topic().endsWith(".compensate");
            var stop = new Stop((ObjectNode) JSON.readTree(record.value()), isBack);
            return isBack ? compensate(stop) : handle(stop);
        } catch (JsonProcessingException | IllegalArgumentException | ClassCastException unreadable) {
            // What cannot be read must not stop what is behind it.
            var letter = new ProducerRecord<>(prefix + address + ".error", record.key(), record.value());
            letter.headers().add("reason", String.valueOf(unreadable.getMessage()).getBytes(StandardCharsets.UTF_8));
            return List.of(letter);
        }
    }

    private List<ProducerRecord<String, String>> handle(Stop stop) {
        String item = stop.body().required("item").asText();
        long quantity = stop.body().required("quantity").asLong();
        if (quantity > QUANTITY_MAX) {
            return stop.turnRound("out-of-stock", quantity + " of " + item + " are asked, that is more than there are");
        }
        // What an undo needs travels with the saga: to us, or to the component that has taken our place by then.
        stop.leaveLog().put("key", "stock/" + item).put("quantity", quantity);
        return both(stop.goOn(), booking(stop, item, -quantity));
    }

    private List<ProducerRecord<String, String>> compensate(Stop stop) {
        JsonNode log = stop.log();
        if (log.isMissingNode()) {
            // Nothing was done here.
            return stop.goOn();
        }
        String item = log.required("key").asText().substring("stock/".length());
        return both(stop.goOn(), booking(stop, item, log.required("quantity").asLong()));
    }

    // In the place of a database. One that is not in Kafka is outside of the transaction, and has to drop what it has
    // seen: the same global-id, direction and position.
    private ProducerRecord<String, String> booking(Stop stop, String item, long change) {
        ObjectNode booking = JSON.createObjectNode().put("global-id", stop.id()).put("item", item);
        return new ProducerRecord<>(prefix + "legacy.stock", item, booking.put("change", change).toString());
    }

    private static <T> List<T> both(List<T> some, T one) {
        return Stream.concat(some.stream(), Stream.of(one)).toList();
    }

    // A message at its stop here.
    private final class Stop {
        private final ObjectNode envelope;
        private final ObjectNode meta;
        // The itinerary in the direction of travel, and where in it we are.
        private final List<String> steps = new ArrayList<>();
        private final int index;
        private final boolean isBack;

        private Stop(ObjectNode envelope, boolean isBack) {
            this.envelope = envelope;
            this.isBack = isBack;
            meta = (ObjectNode) envelope.required("meta");
            meta.required("steps").forEach(step -> steps.add(step.asText()));
            index = meta.path("position").asInt(steps.indexOf(address));
            if (index < 0 || index >= steps.size() || !steps.get(index).equals(address)) {
                throw new IllegalArgumentException("it is for another step");
            }
        }

        private String id() {
            return meta.required("global-id").asText();
        }

        private JsonNode body() {
            return envelope.required("body");
        }

        // Counted forward, in both directions.
        private int position() {
            return isBack ? steps.size() - 1 - index : index;
        }

        private JsonNode log() {
            return meta.path("compensation-log").path(String.valueOf(position())).path("log");
        }

        private ObjectNode leaveLog() {
            ObjectNode entry = meta.withObjectProperty("compensation-log").putObject(String.valueOf(position()));
            return entry.putObject("log");
        }

        // To the next stop in the direction of travel. Behind the last one there is none.
        private List<ProducerRecord<String, String>> goOn() {
            return index + 1 < steps.size() ? List.of(to(index + 1, isBack)) : List.of();
        }

        // A refusal: we have done nothing, so the way back begins at the step before us.
        private List<ProducerRecord<String, String>> turnRound(String code, String reason) {
            meta.putObject("failure").put("position", position()).put("address", address).put("direction", "handle")
                    .put("kind", "rejected").put("code", code).put("reason", reason)
                    .put("at", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
            Collections.reverse(steps);
            steps.forEach(meta.putArray("steps")::add);
            int before = steps.size() - index;
            return before < steps.size() ? List.of(to(before, true)) : List.of();
        }

        // All of meta goes along; what the host does not need, it keeps. Headers do not: they were about our message.
        private ProducerRecord<String, String> to(int next, boolean back) {
            meta.put("position", next).remove("message-id");
            String topic = prefix + steps.get(next) + (back ? ".compensate" : ".in");
            return new ProducerRecord<>(topic, id(), envelope.toString());
        }
    }

    // A host ends the messages of a partition in any order, and writes those that are done beyond the group's position
    // beside it: `saga1:r` and lengths of runs, the first of what is not done, or `saga1:b` and a bit an offset.
    private static final class Beyond {
        private static final String RUNS = "saga1:r";
        private static final String BITS = "saga1:b";
        private static final String ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

        private static NavigableSet<Long> read(long position, String text) {
            NavigableSet<Long> done = new TreeSet<>();
            if (text.startsWith(RUNS)) {
                long at = position;
                boolean isDone = false;
                for (String length : text.substring(RUNS.length()).split(",")) {
                    long end = at + Long.parseLong(length, 36);
                    for (; at < end; at++) {
                        if (isDone) {
                            done.add(at);
                        }
                    }
                    isDone = !isDone;
                }
            } else if (text.startsWith(BITS)) {
                for (int bit = 0; bit < 6 * (text.length() - BITS.length()); bit++) {
                    if ((ALPHABET.indexOf(text.charAt(BITS.length() + bit / 6)) >> bit % 6 & 1) == 1) {
                        done.add(position + bit);
                    }
                }
            } else if (!text.isEmpty()) {
                throw new IllegalStateException("the text beside the position is of a later host: " + text);
            }
            return done;
        }

        private static String write(long position, SortedSet<Long> done) {
            if (done.isEmpty()) {
                return "";
            }
            int[] groups = new int[(int) (done.last() - position) / 6 + 1];
            done.forEach(offset -> groups[(int) (offset - position) / 6] |= 1 << (offset - position) % 6);
            StringBuilder text = new StringBuilder(BITS);
            Arrays.stream(groups).forEach(group -> text.append(ALPHABET.charAt(group)));
            return text.toString();
        }
    }
}
