// A Kafka client that shares no code with the host: it writes records and reads them back, so that tests know from a
// second source what is in a topic. It uses nothing but Apache's own Java client.
//
//   java Records <bootstrap> create <topic> <partitions> [<setting>=<value>]...
//   java Records <bootstrap> produce <topic> [commit|abort|open <transactional-id>]
//   java Records <bootstrap> consume <topic>...
//   java Records <bootstrap> follow <topic>...
//   java Records <bootstrap> position <group> <topic> <partition> [<offset> <text>]
//   java Records <bootstrap> ready <nodes>
//
// `produce` reads one JSON object a line from its input: {"key":…,"value":…,"headers":[[name,value],…]}, of which only
// the value is needed, and prints where each record is. With a transactional id all of them are one transaction, which
// is committed, aborted, or left open as by a client that died. `consume` and `follow` read committed records from the
// beginning and print each as one JSON object; `consume` ends at what were the topics' ends when it began, `follow`
// when its input is closed. A topic to read is a regular expression for whole names. `position` prints a group's position
// and the text beside it, or sets them where the group has no members. `ready` waits until that many nodes serve and
// each partition is in sync on every node that is to have it. All but `follow` give up after two minutes.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Records {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration POLL = Duration.ofMillis(100);
    private static final Duration TIME_MAX = Duration.ofMinutes(2);
    // How often topics that are new are looked for.
    private static final long LOOK_NANOS = 500_000_000L;

    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private static final BufferedReader IN =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        List<String> rest = Arrays.asList(args).subList(2, args.length);
        if (!args[1].equals("follow")) {
            giveUpInTime();
        }
        switch (args[1]) {
            case "create" -> create(bootstrap, rest.get(0), Integer.parseInt(rest.get(1)), rest.subList(2, rest.size()));
            case "produce" -> produce(bootstrap, rest.get(0), rest.subList(1, rest.size()));
            case "consume" -> consume(bootstrap, rest);
            case "follow" -> follow(bootstrap, rest);
            case "position" -> position(bootstrap, rest);
            case "ready" -> ready(bootstrap, Integer.parseInt(rest.get(0)));
            default -> throw new IllegalArgumentException("no such verb: " + args[1]);
        }
        OUT.flush();
    }

    private static Admin admin(String bootstrap) {
        return Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap));
    }

    private static void create(String bootstrap, String topic, int partitions, List<String> settings) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (String setting : settings) {
            int equals = setting.indexOf('=');
            configs.put(setting.substring(0, equals), setting.substring(equals + 1));
        }
        try (Admin admin = admin(bootstrap)) {
            // The replication factor is the brokers' own.
            NewTopic created = new NewTopic(topic, Optional.of(partitions), Optional.empty()).configs(configs);
            admin.createTopics(List.of(created)).all().get();
        }
    }

    private static void position(String bootstrap, List<String> rest) throws Exception {
        String group = rest.get(0);
        var place = new TopicPartition(rest.get(1), Integer.parseInt(rest.get(2)));
        try (Admin admin = admin(bootstrap)) {
            if (rest.size() > 3) {
                var position = new OffsetAndMetadata(Long.parseLong(rest.get(3)), rest.get(4));
                admin.alterConsumerGroupOffsets(group, Map.of(place, position)).all().get();
            }
            var positions = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            OffsetAndMetadata position = positions.get(place);
            if (position != null) {
                OUT.println(JSON.createObjectNode().put("offset", position.offset()).put("text", position.metadata()));
            }
        }
    }

    private static void ready(String bootstrap, int nodes) throws Exception {
        try (Admin admin = admin(bootstrap)) {
            while (!isReady(admin, nodes)) {
                Thread.sleep(50);
            }
        }
    }

    private static boolean isReady(Admin admin, int nodes) throws Exception {
        try {
            if (admin.describeCluster().nodes().get().size() < nodes) {
                return false;
            }
            Set<String> topics = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
            for (TopicDescription topic : admin.describeTopics(topics).allTopicNames().get().values()) {
                if (topic.partitions().stream().anyMatch(it -> it.isr().size() < it.replicas().size())) {
                    return false;
                }
            }
            return true;
        } catch (ExecutionException error) {
            // A node that just comes or goes, a topic that was deleted meanwhile: it is asked again.
            if (error.getCause() instanceof RetriableException) {
                return false;
            }
            throw error;
        }
    }

    private static void produce(String bootstrap, String topic, List<String> transaction) throws Exception {
        // A node that is there and does not answer is given up after ten seconds, not after half a minute.
        Map<String, Object> settings = new HashMap<>(
                Map.of("bootstrap.servers", bootstrap, "acks", "all", "request.timeout.ms", 10_000));
        if (!transaction.isEmpty()) {
            settings.put("transactional.id", transaction.get(1));
        }
        var serializer = new ByteArraySerializer();
        try (var producer = new KafkaProducer<>(settings, serializer, serializer)) {
            if (!transaction.isEmpty()) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            send(producer, topic);
            switch (transaction.isEmpty() ? "" : transaction.get(0)) {
                case "" -> { }
                case "commit" -> producer.commitTransaction();
                case "abort" -> producer.abortTransaction();
                // Nothing is closed, so nobody tells the broker.
                case "open" -> end(0);
                default -> throw new IllegalArgumentException("no such end of a transaction: " + transaction.get(0));
            }
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (String line; (line = IN.readLine()) != null; ) {
            JsonNode given = JSON.readTree(line);
            var record = new ProducerRecord<>(topic, bytes(given.get("key")), bytes(given.get("value")));
            for (JsonNode header : given.path("headers")) {
                record.headers().add(header.get(0).asText(), bytes(header.get(1)));
            }
            sent.add(producer.send(record));
        }
        producer.flush();
        for (Future<RecordMetadata> one : sent) {
            RecordMetadata place = one.get();
            ObjectNode out = JSON.createObjectNode().put("topic", place.topic());
            OUT.println(out.put("partition", place.partition()).put("offset", place.offset()));
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap) {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", bootstrap,
                "isolation.level", "read_committed",
                "auto.offset.reset", "earliest",
                "request.timeout.ms", 10_000,
                "allow.auto.create.topics", "false");
        var deserializer = new ByteArrayDeserializer();
        return new KafkaConsumer<>(settings, deserializer, deserializer);
    }

    private static void consume(String bootstrap, List<String> wanted) throws Exception {
        try (var consumer = consumer(bootstrap)) {
            List<TopicPartition> partitions = partitions(consumer, wanted);
            for (String pattern : wanted) {
                if (partitions.stream().noneMatch(it -> Pattern.matches(pattern, it.topic()))) {
                    throw new IllegalArgumentException("there is no topic " + pattern);
                }
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                    if (record.offset() < ends.get(new TopicPartition(record.topic(), record.partition()))) {
                        OUT.println(shown(record));
                    }
                }
            }
        }
    }

    private static void follow(String bootstrap, List<String> wanted) throws Exception {
        new Thread(Records::endWithInput).start();
        try (var consumer = consumer(bootstrap)) {
            Set<TopicPartition> known = new HashSet<>();
            for (long looked = System.nanoTime() - LOOK_NANOS; ; ) {
                if (System.nanoTime() - looked >= LOOK_NANOS) {
                    if (known.addAll(partitions(consumer, wanted))) {
                        consumer.assign(known);
                    }
                    looked = System.nanoTime();
                }
                if (known.isEmpty()) {
                    Thread.sleep(50);
                    continue;
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                    OUT.println(shown(record));
                }
                OUT.flush();
            }
        }
    }

    private static void endWithInput() {
        try {
            while (IN.readLine() != null) { }
        } catch (IOException closed) {
            // Closed is closed.
        }
        end(0);
    }

    private static void giveUpInTime() {
        Thread guard = new Thread(() -> {
            try {
                Thread.sleep(TIME_MAX.toMillis());
            } catch (InterruptedException never) {
                return;
            }
            System.err.println("not done after " + TIME_MAX.toSeconds() + " s");
            end(1);
        });
        guard.setDaemon(true);
        guard.start();
    }

    // At once: no client says good-bye.
    private static void end(int status) {
        OUT.flush();
        Runtime.getRuntime().halt(status);
    }

    private static List<TopicPartition> partitions(KafkaConsumer<byte[], byte[]> consumer, List<String> wanted) {
        List<TopicPartition> found = new ArrayList<>();
        for (Map.Entry<String, List<PartitionInfo>> topic : consumer.listTopics().entrySet()) {
            if (wanted.stream().anyMatch(pattern -> Pattern.matches(pattern, topic.getKey()))) {
                topic.getValue().forEach(it -> found.add(new TopicPartition(it.topic(), it.partition())));
            }
        }
        return found;
    }

    private static ObjectNode shown(ConsumerRecord<byte[], byte[]> record) {
        ArrayNode headers = JSON.createArrayNode();
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(text(header.value()));
        }
        ObjectNode out = JSON.createObjectNode();
        out.put("topic", record.topic()).put("partition", record.partition()).put("offset", record.offset());
        out.put("timestamp", record.timestamp()).put("key", text(record.key())).put("value", text(record.value()));
        out.set("headers", headers);
        return out;
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    private static byte[] bytes(JsonNode text) {
        return text == null || text.isNull() ? null : text.asText().getBytes(StandardCharsets.UTF_8);
    }
}
