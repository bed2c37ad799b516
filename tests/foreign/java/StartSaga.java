// Starts sagas as any service can that writes to Kafka: with the minimal envelope on the first step's topic, or with a
// body on a use case's trigger topic. It uses nothing but Apache's own Java client.
//
//   java StartSaga <bootstrap> <prefix> envelope <step>,<step>,…     each line of the input: <global-id> <body>
//   java StartSaga <bootstrap> <prefix> trigger <topic>              each line of the input: <body>
//
// The prefix is the host's `broker.prefix`, "" if it has none. For each saga one line says where its message lies:
// topic, partition, offset.

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

public class StartSaga {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final BufferedReader IN =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    public static void main(String[] args) throws Exception {
        if (args.length != 4) {
            throw new IllegalArgumentException("wants <bootstrap> <prefix> envelope|trigger <steps>|<topic>");
        }
        // A producer that may send again without writing twice, and that is answered when every replica has it.
        Map<String, Object> settings =
                Map.of("bootstrap.servers", args[0], "acks", "all", "enable.idempotence", true);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (String line; (line = IN.readLine()) != null; ) {
                sent.add(producer.send(switch (args[2]) {
                    case "envelope" -> enveloped(args[1], List.of(args[3].split(",")), line);
                    case "trigger" -> new ProducerRecord<>(args[1] + args[3], line);
                    default -> throw new IllegalArgumentException("no such way to start a saga: " + args[2]);
                }));
            }
        }
        for (Future<RecordMetadata> one : sent) {
            RecordMetadata place = one.get();
            System.out.println(place.topic() + " " + place.partition() + " " + place.offset());
        }
    }

    // The key is the saga's id, so that all of its messages are in order. The body goes out as it came.
    private static ProducerRecord<String, String> enveloped(String prefix, List<String> steps, String line) {
        int space = line.indexOf(' ');
        String id = line.substring(0, space);
        ObjectNode meta = JSON.createObjectNode().put("global-id", id);
        steps.forEach(meta.putArray("steps")::add);
        String envelope = "{\"meta\":" + meta + ",\"body\":" + line.substring(space + 1) + "}";
        return new ProducerRecord<>(prefix + steps.get(0) + ".in", id, envelope);
    }
}
