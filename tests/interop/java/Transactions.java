import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** Transactions of the Java client: what is seen, who is fenced, what an admin may do about them. */
public final class Transactions {
    private static final String COMMITTED = "read_committed";
    private final Kit kit;
    private final Admin admin;

    private Transactions(Kit kit, Admin admin) {
        this.kit = kit;
        this.admin = admin;
    }

    public static void main(String[] arguments) throws Exception {
        Kit kit = new Kit(arguments[0]);
        try (Admin admin = kit.admin()) {
            Transactions all = new Transactions(kit, admin);
            all.versionTwo();
            all.isolation();
            all.offsets();
            all.fencing();
            all.timeOuts();
            all.hanging();
        }
    }

    private KafkaProducer<String, String> transactional(String id, Object... more) {
        KafkaProducer<String, String> producer = kit.producer(with(more, "transactional.id", id));
        producer.initTransactions();
        return producer;
    }

    private static Object[] with(Object[] some, Object... more) {
        Object[] all = new Object[some.length + more.length];
        System.arraycopy(some, 0, all, 0, some.length);
        System.arraycopy(more, 0, all, some.length, more.length);
        return all;
    }

    private long end(TopicPartition where, IsolationLevel level) throws Exception {
        return admin.listOffsets(Map.of(where, OffsetSpec.latest()), new ListOffsetsOptions(level))
            .partitionResult(where).get().offset();
    }

    /** Soon; a marker is written after the producer was told that its transaction has ended. */
    private void ends(TopicPartition where, IsolationLevel level, long expected) {
        Kit.until(() -> {
            try {
                return end(where, level) == expected;
            } catch (Exception failed) {
                throw new AssertionError(failed);
            }
        }, "the end at " + expected);
    }

    private ProducerState writer(TopicPartition where) throws Exception {
        return admin.describeProducers(Set.of(where)).partitionResult(where).get()
            .activeProducers().get(0);
    }

    /** Each transaction ends in an epoch of its own. */
    private void versionTwo() throws Exception {
        Kit.equal((short) 2, admin.describeFeatures().featureMetadata().get().finalizedFeatures()
            .get("transaction.version").maxVersionLevel(), "transaction.version");
        String topic = kit.topic(admin, 1);
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = transactional(Kit.name("txn"))) {
            int last = -1;
            for (int i = 0; i < 3; i++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, "k", "v" + i)).get();
                int epoch = writer(where).producerEpoch();
                Kit.that(epoch > last, "the epoch " + epoch + " follows " + last);
                last = epoch;
                if (i == 1) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
            producer.beginTransaction();
            producer.commitTransaction();
        }
        ends(where, IsolationLevel.READ_COMMITTED, 6);
    }

    private void isolation() throws Exception {
        String topic = kit.topic(admin, 1);
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> first = transactional(Kit.name("txn"));
                KafkaProducer<String, String> second = transactional(Kit.name("txn"));
                KafkaConsumer<String, String> reader =
                    kit.consumer(Kit.name("group"), "isolation.level", COMMITTED);
                KafkaConsumer<String, String> dirty = kit.consumer(Kit.name("group"))) {
            reader.assign(List.of(where));
            dirty.assign(List.of(where));
            first.beginTransaction();
            second.beginTransaction();
            first.send(new ProducerRecord<>(topic, "a1")).get();
            second.send(new ProducerRecord<>(topic, "b1")).get();
            second.commitTransaction();
            ends(where, IsolationLevel.READ_UNCOMMITTED, 3);
            Kit.equal(0L, end(where, IsolationLevel.READ_COMMITTED), "the last stable offset");
            Kit.equal(List.of("a1", "b1"), Kit.take(dirty, 2), "what an uncommitted reader sees");
            Kit.equal(0, reader.poll(Kit.SHORT).count(), "before the first ends");
            first.abortTransaction();
            second.beginTransaction();
            second.send(new ProducerRecord<>(topic, "b2")).get();
            second.commitTransaction();
            Kit.equal(List.of("b1", "b2"), Kit.take(reader, 2), "what was committed");
        }
    }

    /** Offsets go with the transaction, and only as its group's member of today may send them. */
    @SuppressWarnings("removal")
    private void offsets() throws Exception {
        String topic = kit.topic(admin, 1);
        String output = kit.topic(admin, 1);
        String group = Kit.name("group");
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> plain = kit.producer()) {
            for (int i = 0; i < 4; i++) {
                plain.send(new ProducerRecord<>(topic, "v" + i)).get();
            }
        }
        try (KafkaProducer<String, String> producer = transactional(Kit.name("txn"));
                KafkaConsumer<String, String> consumer =
                    kit.consumer(group, "isolation.level", COMMITTED)) {
            consumer.subscribe(List.of(topic));
            Kit.take(consumer, 4);
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(output, "gone"));
            producer.sendOffsetsToTransaction(
                Map.of(where, new OffsetAndMetadata(2, "gone")), consumer.groupMetadata());
            producer.abortTransaction();
            Kit.that(consumer.committed(Set.of(where)).get(where) == null, "aborted offsets");
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(output, "kept"));
            producer.sendOffsetsToTransaction(
                Map.of(where, new OffsetAndMetadata(3, "kept")), consumer.groupMetadata());
            producer.commitTransaction();
            OffsetAndMetadata found = consumer.committed(Set.of(where)).get(where);
            Kit.equal(3L, found.offset(), "committed offset");
            Kit.equal("kept", found.metadata(), "committed metadata");
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(output, "stale"));
            ConsumerGroupMetadata stale = new ConsumerGroupMetadata(
                group, 99, "nobody", Optional.empty());
            Kit.fails(CommitFailedException.class, () -> {
                producer.sendOffsetsToTransaction(Map.of(where, new OffsetAndMetadata(4)), stale);
                producer.commitTransaction();
            });
            producer.abortTransaction();
        }
        try (KafkaConsumer<String, String> reader =
                kit.consumer(Kit.name("group"), "isolation.level", COMMITTED)) {
            reader.subscribe(List.of(output));
            Kit.equal(List.of("kept"), Kit.take(reader, 1), "the output");
        }
    }

    private void fencing() throws Exception {
        String topic = kit.topic(admin, 1);
        String id = Kit.name("txn");
        try (KafkaProducer<String, String> old = transactional(id)) {
            old.beginTransaction();
            old.send(new ProducerRecord<>(topic, "old")).get();
            try (KafkaProducer<String, String> young = transactional(id)) {
                Kit.fails(ProducerFencedException.class, old::commitTransaction);
                young.beginTransaction();
                young.send(new ProducerRecord<>(topic, "young")).get();
                young.commitTransaction();
                admin.fenceProducers(List.of(id)).all().get();
                young.beginTransaction();
                Kit.fails(InvalidProducerEpochException.class,
                    () -> young.send(new ProducerRecord<>(topic, "fenced")).get());
                Kit.fails(Exception.class, young::commitTransaction);
                young.close(Duration.ZERO);
            }
            old.close(Duration.ZERO);
        }
        try (KafkaConsumer<String, String> reader =
                kit.consumer(Kit.name("group"), "isolation.level", COMMITTED)) {
            reader.subscribe(List.of(topic));
            Kit.equal(List.of("young"), Kit.take(reader, 1), "what the fenced left");
        }
    }

    /** Too long a time-out is refused; a transaction past its own is aborted by the broker. */
    private void timeOuts() throws Exception {
        KafkaException refused = Kit.fails(KafkaException.class, () -> {
            try (KafkaProducer<String, String> endless = kit.producer("transactional.id",
                    Kit.name("txn"), "transaction.timeout.ms", Integer.MAX_VALUE)) {
                endless.initTransactions();
            }
        });
        Kit.that(refused.getMessage().contains("transaction timeout"), refused.getMessage());
        String topic = kit.topic(admin, 1);
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> slow = transactional(
                Kit.name("txn"), "transaction.timeout.ms", 1000)) {
            slow.beginTransaction();
            slow.send(new ProducerRecord<>(topic, "late")).get();
            ends(where, IsolationLevel.READ_COMMITTED, 2);
            Kit.fails(Exception.class, slow::commitTransaction);
            slow.close(Duration.ZERO);
        }
    }

    private void hanging() throws Exception {
        String topic = kit.topic(admin, 1);
        TopicPartition where = new TopicPartition(topic, 0);
        String id = Kit.name("txn");
        try (KafkaProducer<String, String> producer = transactional(id)) {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "v")).get();
            Kit.equal(TransactionState.ONGOING, admin.describeTransactions(List.of(id))
                .description(id).get().state(), "state");
            Kit.that(admin.listTransactions().all().get().stream()
                .anyMatch(each -> each.transactionalId().equals(id)), "listed");
            ProducerState writer = writer(where);
            Kit.equal(0L, writer.currentTransactionStartOffset().getAsLong(), "start offset");
            admin.abortTransaction(new AbortTransactionSpec(where, writer.producerId(),
                (short) writer.producerEpoch(), writer.coordinatorEpoch().orElse(0))).all().get();
            Kit.equal(2L, end(where, IsolationLevel.READ_COMMITTED), "after abortTransaction");
            producer.close(Duration.ofSeconds(5));
        }
    }
}
