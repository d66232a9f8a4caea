/*
 * W1 with Apache Flink's pattern library, exactly once: Kafka source, checkpoints, transactional sink.
 *
 *   java -cp … W1 BOOTSTRAP TOPIC ALERTS CHECKPOINT_MS STATE_DIR
 *
 * In event-time order, watermarks 5 s behind. Reads to the end of the topic as it is, in one
 * process, with parallelism 1; ends when the last transaction is committed.
 */

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.cep.CEP;
import org.apache.flink.cep.PatternSelectFunction;
import org.apache.flink.cep.PatternStream;
import org.apache.flink.cep.nfa.aftermatch.AfterMatchSkipStrategy;
import org.apache.flink.cep.pattern.Pattern;
import org.apache.flink.cep.pattern.conditions.SimpleCondition;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

public final class W1 {
    private static final JsonFactory JSON = new JsonFactory();

    /** What the pattern needs of an event. */
    public static final class Event {
        public String type;
        public String user;
        public long timestamp;
    }

    /** Reads the three fields out of the JSON bytes and nothing else. */
    public static final class Decoder implements DeserializationSchema<Event> {
        @Override
        public Event deserialize(byte[] value) throws java.io.IOException {
            Event event = new Event();
            try (JsonParser parser = JSON.createParser(value)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.getCurrentName();
                    parser.nextToken();
                    switch (name) {
                        case "eventType" -> event.type = parser.getText();
                        case "user" -> event.user = parser.getText();
                        case "timestamp" -> event.timestamp = parser.getLongValue();
                        default -> parser.skipChildren();
                    }
                }
            }
            return event;
        }

        @Override
        public boolean isEndOfStream(Event event) {
            return false;
        }

        @Override
        public TypeInformation<Event> getProducedType() {
            return TypeInformation.of(Event.class);
        }
    }

    /** Whether an event is of a type. */
    private static SimpleCondition<Event> is(String type) {
        return new SimpleCondition<>() {
            @Override
            public boolean filter(Event event) {
                return type.equals(event.type);
            }
        };
    }

    /** The alert of a match, as JSON. */
    private static final class Alert implements PatternSelectFunction<Event, String> {
        @Override
        public String select(Map<String, List<Event>> match) {
            Event first = match.get("failed").get(0);
            Event last = match.get("success").get(0);
            return "{\"rule\":\"w1\",\"user\":\"" + first.user + "\",\"firstSeen\":" + first.timestamp
                    + ",\"lastSeen\":" + last.timestamp + ",\"count\":"
                    + (match.get("failed").size() + 1) + "}";
        }
    }

    public static void main(String[] args) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("state.backend.type", "hashmap");
        settings.setString("execution.checkpointing.storage", "filesystem");
        settings.setString("execution.checkpointing.dir", "file://" + args[4]);
        StreamExecutionEnvironment env =
                StreamExecutionEnvironment.createLocalEnvironment(1, settings);
        env.enableCheckpointing(Long.parseLong(args[3]), CheckpointingMode.EXACTLY_ONCE);
        env.getConfig().enableObjectReuse();
        KafkaSource<Event> source = KafkaSource.<Event>builder()
                .setBootstrapServers(args[0]).setTopics(args[1]).setGroupId("flink")
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setProperty("isolation.level", "read_committed")
                .setValueOnlyDeserializer(new Decoder()).build();
        WatermarkStrategy<Event> times = WatermarkStrategy
                .<Event>forBoundedOutOfOrderness(Duration.ofSeconds(5))
                .withTimestampAssigner((event, stamp) -> event.timestamp);
        KeyedStream<Event, String> events = env.fromSource(source, times, "events")
                .filter(event -> event.type.equals("auth.login.failed")
                        || event.type.equals("auth.login.success"))
                .keyBy(event -> event.user);
        Pattern<Event, Event> pattern = Pattern
                .<Event>begin("failed", AfterMatchSkipStrategy.skipPastLastEvent())
                .where(is("auth.login.failed")).timesOrMore(3)
                .followedBy("success").where(is("auth.login.success"))
                .within(Duration.ofSeconds(60));
        PatternStream<Event> matches = CEP.pattern(events, pattern).inEventTime();
        KafkaSink<String> sink = KafkaSink.<String>builder()
                .setBootstrapServers(args[0])
                .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                .setTransactionalIdPrefix("flink-" + args[2])
                .setProperty("transaction.timeout.ms", "60000")
                .setRecordSerializer(KafkaRecordSerializationSchema.builder().setTopic(args[2])
                        .setValueSerializationSchema(new SimpleStringSchema()).build())
                .build();
        matches.select(new Alert()).sinkTo(sink);
        env.execute("W1");
    }
}
