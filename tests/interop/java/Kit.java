import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What the scenarios share: clients, waiting within a bound, and checks that say what they saw. */
final class Kit {
    static final Duration SHORT = Duration.ofMillis(100);
    final String servers;

    Kit(String servers) {
        this.servers = servers;
    }

    interface Action {
        void run() throws Exception;
    }

    static String name(String what) {
        return what + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    static void equal(Object expected, Object found, String what) {
        if (!expected.equals(found)) {
            throw new AssertionError(what + ": expected " + expected + ", found " + found);
        }
    }

    static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    /** The action must fail, itself or as a future's cause, with an exception of that class. */
    static <T extends Throwable> T fails(Class<T> kind, Action action) {
        try {
            action.run();
        } catch (Exception thrown) {
            Throwable cause = thrown;
            while (cause instanceof ExecutionException
                    || (!kind.isInstance(cause) && cause.getCause() != null)) {
                cause = cause.getCause();
            }
            if (kind.isInstance(cause)) {
                return kind.cast(cause);
            }
            throw new AssertionError("expected " + kind.getSimpleName() + ", found " + thrown, thrown);
        }
        throw new AssertionError("expected " + kind.getSimpleName() + ", nothing was thrown");
    }

    static void until(BooleanSupplier holds, String what) {
        long end = System.nanoTime() + 40_000_000_000L;
        while (!holds.getAsBoolean()) {
            that(System.nanoTime() < end, "still not: " + what);
        }
    }

    Map<String, Object> base(Object... more) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", servers);
        for (int i = 0; i < more.length; i += 2) {
            config.put((String) more[i], more[i + 1]);
        }
        return config;
    }

    Admin admin() {
        return Admin.create(base());
    }

    KafkaProducer<String, String> producer(Object... more) {
        return new KafkaProducer<>(base(more), new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(String group, Object... more) {
        Map<String, Object> config = base(more);
        config.put("group.id", group);
        config.putIfAbsent("auto.offset.reset", "earliest");
        config.putIfAbsent("enable.auto.commit", false);
        config.putIfAbsent("heartbeat.interval.ms", 300);
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    String topic(Admin admin, int partitions, String... configs) throws Exception {
        Map<String, String> settings = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) {
            settings.put(configs[i], configs[i + 1]);
        }
        String name = name("topic");
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) -1).configs(settings)))
            .all().get();
        return name;
    }

    /** So many records, or what came within the bound. */
    static List<String> take(KafkaConsumer<String, String> consumer, int count) {
        List<String> found = new ArrayList<>();
        until(() -> {
            for (ConsumerRecord<String, String> record : consumer.poll(SHORT)) {
                found.add(record.value());
            }
            return found.size() >= count;
        }, count + " records");
        return found;
    }
}
