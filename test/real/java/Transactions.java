import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

/**
 * Transactions of the Java client against a broker, whose address is the only argument: commit, abort, fencing by a second
 * producer of the same id, and a loop that reads, transforms and commits its offsets with what it wrote. What a
 * read_committed consumer then sees is printed, one `name=value` a line.
 */
public class Transactions {
  private static final int RECORDS = 20;
  private static final Duration POLL = Duration.ofMillis(200);
  private static final Duration LIMIT = Duration.ofMinutes(2);
  private static String brokers;

  public static void main(String[] args) throws Exception {
    brokers = args[0];
    Properties admin = settings();
    try (Admin client = Admin.create(admin)) {
      client.createTopics(List.of(topic("in"), topic("out"), topic("fenced"))).all().get();
    }
    commitAndAbort();
    fence();
    transform();
    System.out.println("done=true");
  }

  private static NewTopic topic(String name) {
    return new NewTopic(name, 3, (short) 1);
  }

  private static Properties settings() {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", brokers);
    settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    settings.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    settings.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    return settings;
  }

  private static KafkaProducer<String, String> producer(String id) {
    Properties settings = settings();
    settings.put("transactional.id", id);
    KafkaProducer<String, String> producer = new KafkaProducer<>(settings);
    producer.initTransactions();
    return producer;
  }

  private static KafkaConsumer<String, String> consumer(String group) {
    Properties settings = settings();
    settings.put("group.id", group);
    settings.put("isolation.level", "read_committed");
    settings.put("auto.offset.reset", "earliest");
    settings.put("enable.auto.commit", "false");
    return new KafkaConsumer<>(settings);
  }

  private static void send(KafkaProducer<String, String> producer, String topic, String prefix) {
    for (int i = 0; i < RECORDS; i++) {
      producer.send(new ProducerRecord<>(topic, i % 3, null, prefix + i));
    }
    producer.flush();
  }

  private static void commitAndAbort() {
    try (KafkaProducer<String, String> producer = producer("java")) {
      for (int round = 0; round < 4; round++) {
        producer.beginTransaction();
        send(producer, "in", (round % 2 == 0 ? "kept-" : "dropped-") + round + "-");
        if (round % 2 == 0) producer.commitTransaction();
        else producer.abortTransaction();
      }
    }
    Set<String> seen = read("in", 2 * RECORDS);
    System.out.println("committed=" + seen.size());
    System.out.println("aborted=" + seen.stream().filter(value -> value.startsWith("dropped")).count());
  }

  /** A producer that lost its id to another cannot commit; the other's records are seen, its own never. */
  private static void fence() {
    KafkaProducer<String, String> zombie = producer("taken");
    zombie.beginTransaction();
    send(zombie, "fenced", "zombie-");
    try (KafkaProducer<String, String> next = producer("taken")) {
      next.beginTransaction();
      send(next, "fenced", "next-");
      try {
        zombie.commitTransaction();
        System.out.println("fenced=false");
      } catch (ProducerFencedException | InvalidProducerEpochException expected) {
        System.out.println("fenced=true");
      }
      next.commitTransaction();
    }
    zombie.close(Duration.ZERO);
    Set<String> seen = read("fenced", RECORDS);
    System.out.println("fencedSeen=" + seen.stream().map(value -> value.split("-")[0]).distinct().toList());
  }

  /** Reads `in` in a group and writes each record to `out`; every second transaction is aborted and done again. */
  private static void transform() {
    Set<String> copied = new TreeSet<>();
    long until = System.nanoTime() + LIMIT.toNanos();
    try (KafkaConsumer<String, String> consumer = consumer("transform");
        KafkaProducer<String, String> producer = producer("transform")) {
      consumer.subscribe(List.of("in"));
      boolean isAborted = false;
      while (copied.size() < 2 * RECORDS && System.nanoTime() < until) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        consumer.poll(POLL).forEach(records::add);
        if (records.isEmpty()) continue;
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<String, String> each : records) {
          producer.send(new ProducerRecord<>("out", each.partition(), null, "copy of " + each.value()));
          offsets.put(new TopicPartition("in", each.partition()), new OffsetAndMetadata(each.offset() + 1));
        }
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
        isAborted = !isAborted;
        if (isAborted) {
          producer.abortTransaction();
          Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(offsets.keySet());
          for (TopicPartition partition : offsets.keySet()) {
            OffsetAndMetadata known = committed.get(partition);
            consumer.seek(partition, known == null ? 0 : known.offset());
          }
        } else {
          producer.commitTransaction();
          for (ConsumerRecord<String, String> each : records) copied.add(each.value());
        }
      }
      Set<TopicPartition> partitions = new java.util.HashSet<>();
      IntStream.range(0, 3).forEach(partition -> partitions.add(new TopicPartition("in", partition)));
      Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(partitions);
      boolean isAtEnd = true;
      // The last offset of each partition is the abort marker, which is no record.
      for (Map.Entry<TopicPartition, Long> end : consumer.endOffsets(partitions).entrySet()) {
        OffsetAndMetadata known = committed.get(end.getKey());
        isAtEnd &= known != null && known.offset() > 0 && known.offset() <= end.getValue();
      }
      System.out.println("offsetsCommitted=" + isAtEnd);
    }
    System.out.println("copies=" + readAll("out", 2 * RECORDS).size());
    System.out.println("distinctCopies=" + read("out", 2 * RECORDS).size());
  }

  private static Set<String> read(String topic, int expected) {
    return new TreeSet<>(readAll(topic, expected));
  }

  /** All that a read_committed consumer finds up to the end that it is told; at least `expected` are waited for. */
  private static List<String> readAll(String topic, int expected) {
    List<String> values = new ArrayList<>();
    long until = System.nanoTime() + LIMIT.toNanos();
    try (KafkaConsumer<String, String> consumer = consumer("reader")) {
      List<TopicPartition> partitions =
          IntStream.range(0, 3).mapToObj(partition -> new TopicPartition(topic, partition)).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      boolean isOver = false;
      while ((!isOver || values.size() < expected) && System.nanoTime() < until) {
        consumer.poll(POLL).forEach(each -> values.add(each.value()));
        isOver = partitions.stream().allMatch(each -> consumer.position(each) >= ends.get(each));
      }
    }
    return values;
  }
}
