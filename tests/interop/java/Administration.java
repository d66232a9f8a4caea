import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.InvalidOffsetException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.InvalidRecordException;

/** The Java admin client: topics, settings, records and offsets; what is refused, and how. */
public final class Administration {
    private final Kit kit;
    private final Admin admin;

    private Administration(Kit kit, Admin admin) {
        this.kit = kit;
        this.admin = admin;
    }

    public static void main(String[] arguments) throws Exception {
        Kit kit = new Kit(arguments[0]);
        try (Admin admin = kit.admin()) {
            Administration all = new Administration(kit, admin);
            all.cluster();
            all.topics();
            all.refusals();
            all.settings();
            all.offsets();
            all.records();
        }
    }

    private void cluster() throws Exception {
        Kit.equal(1, admin.describeCluster().nodes().get().size(), "nodes");
        Kit.that(admin.describeCluster().controller().get() != null, "a controller");
        int id = admin.describeCluster().nodes().get().iterator().next().id();
        Kit.that(!admin.describeLogDirs(List.of(id)).allDescriptions().get().get(id).isEmpty(),
            "log directories");
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "" + id);
        Config config = admin.describeConfigs(List.of(broker)).all().get().get(broker);
        Kit.equal("1", config.get("default.replication.factor").value(), "replication");
    }

    private void topics() throws Exception {
        String topic = Kit.name("topic");
        NewTopic wanted = new NewTopic(topic, Optional.of(3), Optional.empty())
            .configs(Map.of("retention.ms", "5000"));
        admin.createTopics(List.of(wanted), new CreateTopicsOptions().validateOnly(true)).all().get();
        Kit.that(!admin.listTopics().names().get().contains(topic), "only validated");
        CreateTopicsResult made = admin.createTopics(List.of(wanted));
        made.all().get();
        Uuid id = made.topicId(topic).get();
        Kit.equal(3, made.numPartitions(topic).get(), "partitions");
        Kit.equal("5000", made.config(topic).get().get("retention.ms").value(), "its setting");
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        TopicDescription seen = admin.describeTopics(TopicCollection.ofTopicIds(List.of(id)))
            .allTopicIds().get().get(id);
        Kit.equal(topic, seen.name(), "name");
        Kit.equal(5, seen.partitions().size(), "partitions");
        admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        Kit.fails(UnknownTopicIdException.class, () -> admin.describeTopics(
            TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get());
        CreateTopicsResult again = admin.createTopics(List.of(wanted));
        Kit.that(!again.topicId(topic).get().equals(id), "another id");
    }

    private void refusals() throws Exception {
        String topic = kit.topic(admin, 2);
        refused(TopicExistsException.class, new NewTopic(topic, 1, (short) 1));
        refused(InvalidReplicationFactorException.class,
            new NewTopic(Kit.name("topic"), 1, (short) 3));
        refused(InvalidPartitionsException.class, new NewTopic(Kit.name("topic"), 0, (short) 1));
        refused(InvalidTopicException.class, new NewTopic("not a name", 1, (short) 1));
        refused(InvalidConfigurationException.class, new NewTopic(Kit.name("topic"), 1, (short) 1)
            .configs(Map.of("no.such.setting", "1")));
        refused(InvalidConfigurationException.class, new NewTopic(Kit.name("topic"), 1, (short) 1)
            .configs(Map.of("retention.ms", "soon")));
        Kit.fails(InvalidPartitionsException.class, () -> admin.createPartitions(
            Map.of(topic, NewPartitions.increaseTo(1))).all().get());
        Kit.fails(UnknownTopicOrPartitionException.class,
            () -> admin.deleteTopics(List.of(Kit.name("topic"))).all().get());
    }

    private void refused(Class<? extends Throwable> kind, NewTopic topic) {
        Kit.fails(kind, () -> admin.createTopics(List.of(topic)).all().get());
    }

    private void settings() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, kit.topic(admin, 1));
        change(topic, "cleanup.policy", "compact", OpType.APPEND);
        Kit.equal(new TreeSet<>(Set.of("compact", "delete")),
            new TreeSet<>(List.of(value(topic, "cleanup.policy").value().split(","))), "both");
        change(topic, "cleanup.policy", "delete", OpType.SUBTRACT);
        Kit.equal("compact", value(topic, "cleanup.policy").value(), "one");
        change(topic, "max.message.bytes", "2000", OpType.SET);
        Kit.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG,
            value(topic, "max.message.bytes").source(), "source");
        try (KafkaProducer<String, String> producer = kit.producer()) {
            Kit.fails(RecordTooLargeException.class, () -> producer.send(
                new ProducerRecord<>(topic.name(), "k", "v".repeat(5000))).get());
            Kit.fails(InvalidRecordException.class, () -> producer.send(
                new ProducerRecord<>(topic.name(), "no key")).get());
        }
        change(topic, "max.message.bytes", null, OpType.DELETE);
        Kit.that(value(topic, "max.message.bytes").isDefault(), "the default");
        Kit.fails(InvalidConfigurationException.class,
            () -> change(topic, "segment.bytes", "few", OpType.SET));
    }

    private void change(ConfigResource of, String name, String to, OpType how) throws Exception {
        Collection<AlterConfigOp> one = List.of(new AlterConfigOp(new ConfigEntry(name, to), how));
        admin.incrementalAlterConfigs(Map.of(of, one)).all().get();
    }

    private ConfigEntry value(ConfigResource of, String name) throws Exception {
        return admin.describeConfigs(List.of(of)).all().get().get(of).get(name);
    }

    private void offsets() throws Exception {
        String topic = kit.topic(admin, 1);
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = kit.producer()) {
            for (long time : new long[] {1_000_000, 3_000_000, 2_000_000}) {
                producer.send(new ProducerRecord<>(topic, 0, time, "k", "v")).get();
            }
        }
        Kit.equal(0L, offset(where, OffsetSpec.earliest()), "earliest");
        Kit.equal(3L, offset(where, OffsetSpec.latest()), "latest");
        Kit.equal(1L, offset(where, OffsetSpec.maxTimestamp()), "largest timestamp");
        Kit.equal(1L, offset(where, OffsetSpec.forTimestamp(1_500_000)), "by timestamp");
        Kit.equal(-1L, offset(where, OffsetSpec.forTimestamp(4_000_000)), "after all");
        Kit.equal(0L, offset(where, OffsetSpec.earliestLocal()), "earliest local");
        Kit.equal(-1L, offset(where, OffsetSpec.latestTiered()), "latest tiered");
        try (KafkaConsumer<String, String> consumer =
                kit.consumer(Kit.name("group"), "auto.offset.reset", "none")) {
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(where, 1_500_000L)).get(where);
            Kit.equal(3_000_000L, found.timestamp(), "its timestamp");
            consumer.assign(List.of(where));
            consumer.seek(where, 17);
            Kit.fails(InvalidOffsetException.class,
                () -> Kit.until(() -> consumer.poll(Kit.SHORT).count() > 0, "refused"));
        }
    }

    private long offset(TopicPartition where, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(where, spec)).partitionResult(where).get().offset();
    }

    private void records() throws Exception {
        String topic = kit.topic(admin, 1);
        TopicPartition where = new TopicPartition(topic, 0);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            try (KafkaProducer<String, String> producer =
                    kit.producer("compression.type", codec, "linger.ms", 20)) {
                for (int i = 0; i < 10; i++) {
                    producer.send(new ProducerRecord<>(topic, "k", codec + i));
                }
            }
        }
        Kit.equal(5L, admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(5)))
            .lowWatermarks().get(where).get().lowWatermark(), "low watermark");
        Kit.fails(OffsetOutOfRangeException.class, () -> admin.deleteRecords(
            Map.of(where, RecordsToDelete.beforeOffset(51))).all().get());
        try (KafkaConsumer<String, String> consumer = kit.consumer(Kit.name("group"))) {
            consumer.subscribe(List.of(topic));
            List<String> found = Kit.take(consumer, 45);
            Kit.equal("none5", found.get(0), "the first that is left");
            Kit.equal("zstd9", found.get(44), "the last");
        }
    }
}
