import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;

/** Consumer groups of the Java client: its four assignors, static members, and what an admin does. */
public final class Groups {
    private static final int PARTITIONS = 6;
    private static final String STRATEGY = "partition.assignment.strategy";
    private final Kit kit;
    private final Admin admin;

    private Groups(Kit kit, Admin admin) {
        this.kit = kit;
        this.admin = admin;
    }

    public static void main(String[] arguments) throws Exception {
        Kit kit = new Kit(arguments[0]);
        try (Admin admin = kit.admin()) {
            Groups all = new Groups(kit, admin);
            for (Class<?> assignor : List.of(
                    RangeAssignor.class, RoundRobinAssignor.class, StickyAssignor.class)) {
                all.eager(assignor.getName());
            }
            all.cooperative();
            all.fromRangeToCooperative();
            all.staticMembers();
            all.administration();
        }
    }

    private static final class Moves implements ConsumerRebalanceListener {
        final List<TopicPartition> revoked = new ArrayList<>();
        final List<TopicPartition> assigned = new ArrayList<>();

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> parts) {
            revoked.addAll(parts);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> parts) {
            assigned.addAll(parts);
        }
    }

    private String filled(int count) throws Exception {
        String topic = kit.topic(admin, PARTITIONS);
        try (KafkaProducer<String, String> producer = kit.producer()) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(topic, i % PARTITIONS, "k", "v" + i));
            }
        }
        return topic;
    }

    /** Poll all of them until each has so many partitions, none twice. */
    @SafeVarargs
    private static void share(int each, KafkaConsumer<String, String>... members) {
        Kit.until(() -> {
            Set<TopicPartition> together = new HashSet<>();
            boolean right = true;
            for (KafkaConsumer<String, String> member : members) {
                member.poll(Kit.SHORT);
                right &= member.assignment().size() == each;
                together.addAll(member.assignment());
            }
            return right && together.size() == each * members.length;
        }, members.length + " members with " + each + " partitions each");
    }

    private void eager(String assignor) throws Exception {
        String topic = filled(12);
        String group = Kit.name("group");
        try (KafkaConsumer<String, String> first = kit.consumer(group, STRATEGY, assignor);
                KafkaConsumer<String, String> second = kit.consumer(group, STRATEGY, assignor)) {
            first.subscribe(List.of(topic));
            Kit.take(first, 12);
            first.commitSync();
            second.subscribe(List.of(topic));
            share(3, first, second);
        }
        try (KafkaConsumer<String, String> third = kit.consumer(group, STRATEGY, assignor)) {
            third.subscribe(List.of(topic));
            share(PARTITIONS, third);
            Kit.equal(2L, third.position(new TopicPartition(topic, 5)), "resumed at");
        }
    }

    private void cooperative() throws Exception {
        String topic = filled(12);
        String group = Kit.name("group");
        String strategy = CooperativeStickyAssignor.class.getName();
        Moves moves = new Moves();
        try (KafkaConsumer<String, String> first = kit.consumer(group, STRATEGY, strategy);
                KafkaConsumer<String, String> second = kit.consumer(group, STRATEGY, strategy)) {
            first.subscribe(List.of(topic), moves);
            share(PARTITIONS, first);
            second.subscribe(List.of(topic));
            share(3, first, second);
            Kit.equal(second.assignment(), Set.copyOf(moves.revoked), "only what moved");
            second.close();
            share(PARTITIONS, first);
            Kit.equal(PARTITIONS + 3, moves.assigned.size(), "assigned in all");
        }
    }

    /** Both strategies at once, as users change from one to the other. */
    private void fromRangeToCooperative() throws Exception {
        String topic = filled(6);
        String group = Kit.name("group");
        List<String> both =
            List.of(CooperativeStickyAssignor.class.getName(), RangeAssignor.class.getName());
        try (KafkaConsumer<String, String> old =
                    kit.consumer(group, STRATEGY, RangeAssignor.class.getName());
                KafkaConsumer<String, String> young = kit.consumer(group, STRATEGY, both)) {
            old.subscribe(List.of(topic));
            share(PARTITIONS, old);
            young.subscribe(List.of(topic));
            share(3, old, young);
            Kit.equal("range", description(group).partitionAssignor(), "what both know");
            old.close();
            try (KafkaConsumer<String, String> next = kit.consumer(group, STRATEGY, both)) {
                next.subscribe(List.of(topic));
                share(3, young, next);
                Kit.equal("cooperative-sticky", description(group).partitionAssignor(), "then");
            }
        }
    }

    private ConsumerGroupDescription description(String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
    }

    private void staticMembers() throws Exception {
        String topic = filled(6);
        String group = Kit.name("group");
        KafkaConsumer<String, String> one = kit.consumer(group, "group.instance.id", "one");
        Moves moves = new Moves();
        try (KafkaConsumer<String, String> two = kit.consumer(group, "group.instance.id", "two")) {
            one.subscribe(List.of(topic));
            two.subscribe(List.of(topic), moves);
            share(3, one, two);
            Set<TopicPartition> before = Set.copyOf(one.assignment());
            moves.assigned.clear();
            int generation = two.groupMetadata().generationId();
            one.close();
            try (KafkaConsumer<String, String> again =
                    kit.consumer(group, "group.instance.id", "one")) {
                again.subscribe(List.of(topic));
                share(3, again, two);
                Kit.equal(before, again.assignment(), "the partitions of before");
                Kit.equal(generation, two.groupMetadata().generationId(), "generation");
                Kit.equal(0, moves.assigned.size(), "the other did not notice");
                try (KafkaConsumer<String, String> twin =
                        kit.consumer(group, "group.instance.id", "one")) {
                    twin.subscribe(List.of(topic));
                    share(3, twin, two);
                    Kit.fails(FencedInstanceIdException.class, () -> Kit.until(() -> {
                        again.poll(Kit.SHORT);
                        return false;
                    }, "fenced"));
                }
            }
            admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(
                List.of(new MemberToRemove("one")))).all().get();
            share(PARTITIONS, two);
        }
        admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions())
            .all().get();
        Kit.equal(GroupState.EMPTY, description(group).groupState(), "all removed");
    }

    private void administration() throws Exception {
        String topic = filled(6);
        String group = Kit.name("group");
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> member = kit.consumer(group)) {
            member.subscribe(List.of(topic));
            Kit.take(member, 6);
            member.commitSync();
            ConsumerGroupDescription seen = description(group);
            Kit.equal(GroupState.STABLE, seen.groupState(), "state");
            Kit.equal(PARTITIONS, seen.members().iterator().next().assignment()
                .topicPartitions().size(), "assigned");
            Kit.that(admin.listGroups().all().get().stream()
                .anyMatch(each -> each.groupId().equals(group)), "listed");
            Kit.fails(GroupNotEmptyException.class,
                () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            Kit.fails(GroupSubscribedToTopicException.class,
                () -> admin.deleteConsumerGroupOffsets(group, Set.of(where))
                    .partitionResult(where).get());
        }
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
        wanted.put(where, new OffsetAndMetadata(0, "back"));
        admin.alterConsumerGroupOffsets(group, wanted).all().get();
        Map<TopicPartition, OffsetAndMetadata> found = admin.listConsumerGroupOffsets(group)
            .partitionsToOffsetAndMetadata().get();
        Kit.equal(wanted.get(where), found.get(where), "altered");
        Kit.equal(PARTITIONS, found.size(), "all partitions");
        admin.deleteConsumerGroupOffsets(group, Set.of(where)).all().get();
        Kit.equal(PARTITIONS - 1, admin.listConsumerGroupOffsets(group)
            .partitionsToOffsetAndMetadata().get().size(), "one less");
        admin.deleteConsumerGroups(List.of(group)).all().get();
        Kit.fails(GroupIdNotFoundException.class, () -> description(group));
    }
}
