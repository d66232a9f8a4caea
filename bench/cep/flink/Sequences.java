/*
 * Sequences with Apache Flink's pattern library, over a file of JSON lines: what `bench.cep.peers` compares with.
 *
 *   java -cp … Sequences FILE WORKLOAD
 *
 * In event-time order, watermarks 5 s behind, parallelism 1. A match is a line `M|key|step:id,step:id,…`.
 */

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.cep.CEP;
import org.apache.flink.cep.PatternSelectFunction;
import org.apache.flink.cep.nfa.aftermatch.AfterMatchSkipStrategy;
import org.apache.flink.cep.pattern.Pattern;
import org.apache.flink.cep.pattern.conditions.SimpleCondition;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.reader.TextLineInputFormat;
import org.apache.flink.core.fs.Path;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

public final class Sequences {
    private static final JsonFactory JSON = new JsonFactory();
    private static final String FAILED = "auth.login.failed";
    private static final String SUCCESS = "auth.login.success";
    private static final String REQUEST = "http.request";
    private static final String ERROR = "http.error";

    /** What the patterns need of an event. */
    public static final class Event {
        public String id;
        public String type;
        public String key;
        public long timestamp;
    }

    /** Reads four fields out of a line and nothing else. */
    private static Event read(String line, String keyField) throws java.io.IOException {
        Event event = new Event();
        try (JsonParser parser = JSON.createParser(line.getBytes(StandardCharsets.UTF_8))) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.getCurrentName();
                parser.nextToken();
                if (name.equals("eventType")) {
                    event.type = parser.getText();
                } else if (name.equals("eventId")) {
                    event.id = parser.getText();
                } else if (name.equals("timestamp")) {
                    event.timestamp = parser.getLongValue();
                } else if (name.equals(keyField)) {
                    event.key = parser.getText();
                } else {
                    parser.skipChildren();
                }
            }
        }
        return event;
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

    private static Pattern<Event, Event> pattern(String workload) {
        AfterMatchSkipStrategy pastLast = AfterMatchSkipStrategy.skipPastLastEvent();
        AfterMatchSkipStrategy noSkip = AfterMatchSkipStrategy.noSkip();
        Duration minute = Duration.ofSeconds(60);
        return switch (workload) {
            case "strict" -> Pattern.<Event>begin("a", pastLast).where(is(FAILED))
                    .next("b").where(is(SUCCESS)).within(minute);
            case "kleene", "disorder" -> Pattern.<Event>begin("a", pastLast).where(is(FAILED))
                    .timesOrMore(3).followedBy("b").where(is(SUCCESS)).within(minute);
            case "absence" -> Pattern.<Event>begin("a", noSkip).where(is(REQUEST))
                    .notFollowedBy("b").where(is(ERROR)).within(minute);
            case "any" -> Pattern.<Event>begin("a", noSkip).where(is(FAILED))
                    .followedByAny("b").where(is(SUCCESS)).within(minute);
            default -> throw new IllegalArgumentException(workload);
        };
    }

    /** A match as a line. */
    private static final class Line implements PatternSelectFunction<Event, String> {
        @Override
        public String select(Map<String, List<Event>> match) {
            StringBuilder text = new StringBuilder("M|");
            text.append(match.get("a").get(0).key).append('|');
            String between = "";
            for (String step : List.of("a", "b")) {
                for (Event event : match.getOrDefault(step, List.of())) {
                    text.append(between).append(step).append(':').append(event.id);
                    between = ",";
                }
            }
            return text.toString();
        }
    }

    public static void main(String[] args) throws Exception {
        String workload = args[1];
        String keyField = workload.equals("absence") ? "ip" : "user";
        StreamExecutionEnvironment env =
                StreamExecutionEnvironment.createLocalEnvironment(1, new Configuration());
        env.getConfig().enableObjectReuse();
        FileSource<String> source = FileSource
                .forRecordStreamFormat(new TextLineInputFormat(), new Path(args[0])).build();
        WatermarkStrategy<Event> times = WatermarkStrategy
                .<Event>forBoundedOutOfOrderness(Duration.ofSeconds(5))
                .withTimestampAssigner((event, stamp) -> event.timestamp);
        boolean strict = workload.equals("strict");
        String first = workload.equals("absence") ? REQUEST : FAILED;
        String second = workload.equals("absence") ? ERROR : SUCCESS;
        KeyedStream<Event, String> events = env
                .fromSource(source, WatermarkStrategy.noWatermarks(), "lines")
                .map(line -> read(line, keyField)).returns(Event.class)
                .assignTimestampsAndWatermarks(times)
                .filter(event -> strict || event.type.equals(first) || event.type.equals(second))
                .keyBy(event -> event.key);
        CEP.pattern(events, pattern(workload)).inEventTime().select(new Line()).print();
        env.execute(workload);
    }
}
