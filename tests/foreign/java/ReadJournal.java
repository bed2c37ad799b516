// Reads what hosts say of their sagas, as any service can that reads from Kafka: the journal, and the dead letters of
// all steps, from the beginning to what are the ends when it begins. It uses nothing but Apache's own Java client.
//
//   java ReadJournal <bootstrap> <prefix>
//
// The prefix is the host's `broker.prefix`, "" if it has none. A record of the journal is printed as it lies there, one
// JSON object a line; a dead letter as {"dead-letter":<topic>,"global-id":…,"cause":{…},"message":<text>}.

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;

public class ReadJournal {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private static final String CAUSE = "saga-cause-";

    public static void main(String[] args) {
        if (args.length != 2) {
            throw new IllegalArgumentException("wants <bootstrap> <prefix>");
        }
        String journal = args[1] + "saga.journal";
        // Without read_committed it would see what was aborted, and so never happened.
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", args[0],
                "isolation.level", "read_committed",
                "enable.auto.commit", false);
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> partitions = consumer.listTopics().entrySet().stream()
                    .filter(topic -> topic.getKey().equals(journal)
                            || topic.getKey().startsWith(args[1]) && topic.getKey().endsWith(".error"))
                    .flatMap(topic -> topic.getValue().stream())
                    .map(ReadJournal::place)
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    OUT.println(record.topic().equals(journal) ? record.value() : deadLetter(args[1], record));
                }
            }
        }
        OUT.flush();
    }

    private static TopicPartition place(PartitionInfo partition) {
        return new TopicPartition(partition.topic(), partition.partition());
    }

    // The value is the message as it stood before the step, and the cause is in the headers.
    private static ObjectNode deadLetter(String prefix, ConsumerRecord<String, String> record) {
        ObjectNode shown = JSON.createObjectNode();
        shown.put("dead-letter", record.topic().substring(prefix.length())).put("global-id", record.key());
        ObjectNode cause = shown.putObject("cause");
        for (Header header : record.headers()) {
            if (header.key().startsWith(CAUSE)) {
                cause.put(header.key().substring(CAUSE.length()), new String(header.value(), StandardCharsets.UTF_8));
            }
        }
        return shown.put("message", record.value());
    }
}
