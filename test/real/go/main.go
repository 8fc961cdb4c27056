// A program of franz-go, the Go client, as a user would write it: it makes topics, writes with every codec, reads by hand,
// by time and in a group, and prints what it saw as one line of JSON. The test that runs it knows what must be seen.
//
// Usage: franz ADDRESS
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic      = "go-topic"
	doomed     = "go-doomed"
	group      = "go-group"
	partitions = 3
	perCodec   = 40
	limit      = 150 * time.Second
)

var codecs = []struct {
	name  string
	codec kgo.CompressionCodec
}{
	{"none", kgo.NoCompression()},
	{"gzip", kgo.GzipCompression()},
	{"snappy", kgo.SnappyCompression()},
	{"lz4", kgo.Lz4Compression()},
	{"zstd", kgo.ZstdCompression()},
}

// What the program saw; the other programs of the suite print the same members.
type seen struct {
	Brokers    int                 `json:"brokers"`
	Partitions int                 `json:"partitions"`
	Codecs     map[string][]string `json:"codecs"`
	ByTime     int64               `json:"byTime"`
	Group      []string            `json:"group"`
	Committed  int64               `json:"committed"`
	Again      int                 `json:"again"`
	Left       []string            `json:"left"`
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newClient(address string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address), kgo.ClientID("franz-go")}, options...)...)
	must(err)
	return client
}

// Reads records until there are as many as wanted.
func take(ctx context.Context, client *kgo.Client, wanted int) []*kgo.Record {
	var records []*kgo.Record
	for len(records) < wanted {
		fetches := client.PollFetches(ctx)
		must(fetches.Err0())
		fetches.EachError(func(_ string, _ int32, err error) { must(err) })
		records = append(records, fetches.Records()...)
	}
	return records
}

func valuesOf(records []*kgo.Record) []string {
	values := []string{}
	for _, record := range records {
		values = append(values, string(record.Key)+"="+string(record.Value))
	}
	return values
}

// Idempotent producers, which franz-go's are unless told; one for each codec, all into partition 1.
func produce(ctx context.Context, address string) {
	for number, each := range codecs {
		client := newClient(address, kgo.ProducerBatchCompression(each.codec),
			kgo.RecordPartitioner(kgo.ManualPartitioner()))
		for i := 0; i < perCodec; i++ {
			client.Produce(ctx, &kgo.Record{
				Topic: topic, Partition: 1,
				Key:       []byte(each.name),
				Value:     []byte(fmt.Sprintf("value %d", i)),
				Timestamp: time.UnixMilli(int64(1000*(number*perCodec+i) + 1000)),
			}, func(_ *kgo.Record, err error) { must(err) })
		}
		must(client.Flush(ctx))
		client.Close()
	}
}

func readByHand(ctx context.Context, address string) map[string][]string {
	from := map[string]map[int32]kgo.Offset{topic: {1: kgo.NewOffset().AtStart()}}
	client := newClient(address, kgo.ConsumePartitions(from))
	defer client.Close()
	byCodec := map[string][]string{}
	for _, record := range take(ctx, client, len(codecs)*perCodec) {
		name := string(record.Key)
		byCodec[name] = append(byCodec[name], string(record.Value))
	}
	return byCodec
}

func readByTime(ctx context.Context, address string) int64 {
	from := map[string]map[int32]kgo.Offset{topic: {1: kgo.NewOffset().AfterMilli(60_500)}}
	client := newClient(address, kgo.ConsumePartitions(from))
	defer client.Close()
	return take(ctx, client, 1)[0].Offset
}

// Reads all as a member of a group, commits, and looks what a second member of it would begin with.
func readInGroup(ctx context.Context, address string, out *seen) {
	options := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	first := newClient(address, options...)
	out.Group = valuesOf(take(ctx, first, len(codecs)*perCodec))
	sort.Strings(out.Group)
	must(first.CommitUncommittedOffsets(ctx))
	first.Close()
	admin := kadm.NewClient(newClient(address))
	defer admin.Close()
	committed, err := admin.FetchOffsets(ctx, group)
	must(err)
	at, _ := committed.Lookup(topic, 1)
	out.Committed = at.At
	extra := newClient(address, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(extra.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: 1, Value: []byte("after")}).FirstErr())
	extra.Close()
	second := newClient(address, options...)
	defer second.Close()
	out.Again = len(take(ctx, second, 1))
}

func main() {
	address := os.Args[1]
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	admin := kadm.NewClient(newClient(address))
	defer admin.Close()
	// The records bear times of 1970, which a retention by time would take.
	forever := "-1"
	configs := map[string]*string{"retention.ms": &forever}
	for _, name := range []string{topic, doomed} {
		made, err := admin.CreateTopic(ctx, partitions, 1, configs, name)
		must(err)
		must(made.Err)
	}
	metadata, err := admin.Metadata(ctx, topic)
	must(err)
	out := seen{Brokers: len(metadata.Brokers), Partitions: len(metadata.Topics[topic].Partitions)}
	produce(ctx, address)
	out.Codecs = readByHand(ctx, address)
	out.ByTime = readByTime(ctx, address)
	readInGroup(ctx, address, &out)
	_, err = admin.DeleteTopic(ctx, doomed)
	must(err)
	topics, err := admin.ListTopics(ctx)
	must(err)
	out.Left = topics.Names()
	must(json.NewEncoder(os.Stdout).Encode(out))
}
