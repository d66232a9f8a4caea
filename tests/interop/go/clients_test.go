// Package interop runs the Go clients franz-go and sarama against the broker named by the
// environment variable BROKER: exactly-once copies of a topic, and what an admin sees of them.
package interop

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const count = 500

func broker(t *testing.T) string {
	t.Helper()
	address := os.Getenv("BROKER")
	if address == "" {
		t.Fatal("BROKER is not set")
	}
	return address
}

func unique(what string) string {
	return fmt.Sprintf("%s-%d", what, time.Now().UnixNano())
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// filled makes a topic of 4 partitions with the numbers from 0 on in it.
func filled(t *testing.T, ctx context.Context) string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topic := unique("go-input")
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 4, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	for i := range count {
		text := []byte(strconv.Itoa(i))
		record := &kgo.Record{Topic: topic, Key: text, Value: text}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	return topic
}

// expectNumbers reads committed records: every number once, none twice.
func expectNumbers(t *testing.T, ctx context.Context, topic string) {
	t.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker(t)),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var found []int
	for len(found) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records: %v", len(found), count, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			number, _ := strconv.Atoi(string(record.Value))
			found = append(found, number)
		})
	}
	sort.Ints(found)
	for i, number := range found {
		if i != number {
			t.Fatalf("number %d where %d was expected", number, i)
		}
	}
}

// TestFranzCopy copies a topic in transactions, every third of which is aborted at first.
func TestFranzCopy(t *testing.T) {
	ctx := bounded(t)
	input, output := filled(t, ctx), unique("go-output")
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(broker(t)),
		kgo.TransactionalID(unique("go-txn")),
		kgo.ConsumerGroup(unique("go-group")),
		kgo.ConsumeTopics(input),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
		kgo.AllowAutoTopicCreation(),
		kgo.FetchMaxBytes(2000),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for copied, turn := 0, 0; copied < count; turn++ {
		fetches := session.PollRecords(ctx, 50)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		if err := session.Begin(); err != nil {
			t.Fatal(err)
		}
		records := fetches.Records()
		for _, record := range records {
			session.Produce(ctx, &kgo.Record{Topic: output, Value: record.Value}, nil)
		}
		how := kgo.TransactionEndTry(turn%3 != 0)
		committed, err := session.End(ctx, how)
		if err != nil {
			t.Fatal(err)
		}
		if committed {
			copied += len(records)
		}
	}
	expectNumbers(t, ctx, output)
}

// TestSarama copies a topic with sarama's transactional producer.
func TestSarama(t *testing.T) {
	ctx := bounded(t)
	input, output := filled(t, ctx), unique("go-output")
	config := sarama.NewConfig()
	config.Version = sarama.V4_0_0_0
	config.Producer.Idempotent = true
	config.Producer.Transaction.ID = unique("go-sarama")
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Net.MaxOpenRequests = 1
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	client, err := sarama.NewClient([]string{broker(t)}, config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := consumer.Partitions(input)
	if err != nil || len(partitions) != 4 {
		t.Fatal(partitions, err)
	}
	for _, partition := range partitions {
		end, err := client.GetOffset(input, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := consumer.ConsumePartition(input, partition, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		var messages []*sarama.ProducerMessage
		for int64(len(messages)) < end {
			select {
			case message := <-reader.Messages():
				value := sarama.ByteEncoder(message.Value)
				messages = append(messages, &sarama.ProducerMessage{Topic: output, Value: value})
			case <-ctx.Done():
				t.Fatal("nothing more came")
			}
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
		for _, commits := range []bool{false, true} {
			if err := producer.BeginTxn(); err != nil {
				t.Fatal(err)
			}
			if err := producer.SendMessages(messages); err != nil {
				t.Fatal(err)
			}
			end := producer.AbortTxn
			if commits {
				end = producer.CommitTxn
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
		}
	}
	expectNumbers(t, ctx, output)
}
