"""A program of kafka-python, a client in Python alone, as a user would write it. It makes topics, writes with every codec,
reads by hand, by time and in a group, and prints what it saw as one line of JSON. The test that runs it knows what must be
seen.

Usage: use_kafka_python.py ADDRESS
"""

import json
import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

TOPIC, DOOMED, GROUP = "kafka-python-topic", "kafka-python-doomed", "kafka-python-group"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PER_CODEC = 40
LIMIT_SECONDS = 150
DEADLINE = time.monotonic() + LIMIT_SECONDS
COMMON = {"bootstrap_servers": sys.argv[1], "client_id": "kafka-python"}
PART = TopicPartition(TOPIC, 1)


def produce():
    for number, codec in enumerate(CODECS):
        compression = None if codec == "none" else codec
        producer = KafkaProducer(**COMMON, enable_idempotence=True, compression_type=compression)
        sent = [
            producer.send(
                TOPIC,
                partition=1,
                key=codec.encode(),
                value=f"value {i}".encode(),
                timestamp_ms=1000 * (number * PER_CODEC + i) + 1000,
            )
            for i in range(PER_CODEC)
        ]
        for each in sent:
            each.get(LIMIT_SECONDS)
        producer.close()


def take(consumer, wanted):
    records = []
    while len(records) < wanted:
        if time.monotonic() > DEADLINE:
            raise RuntimeError(f"only {len(records)} of {wanted} records came")
        for some in consumer.poll(1000).values():
            records.extend(some)
    return records


def consumer(group):
    return KafkaConsumer(**COMMON, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest")


def read_by_hand():
    reader = consumer(None)
    reader.assign([PART])
    reader.seek_to_beginning(PART)
    by_codec = {}
    for record in take(reader, len(CODECS) * PER_CODEC):
        by_codec.setdefault(record.key.decode(), []).append(record.value.decode())
    reader.seek(PART, reader.offsets_for_times({PART: 60_500})[PART].offset)
    first = take(reader, 1)[0]
    reader.close()
    return by_codec, first.offset


def read_in_group():
    first = consumer(GROUP)
    first.subscribe([TOPIC])
    values = sorted(f"{r.key.decode()}={r.value.decode()}" for r in take(first, len(CODECS) * PER_CODEC))
    first.commit()
    first.close()
    second = consumer(GROUP)
    committed = second.committed(PART)
    producer = KafkaProducer(**COMMON)
    producer.send(TOPIC, partition=1, value=b"after").get(LIMIT_SECONDS)
    producer.close()
    second.subscribe([TOPIC])
    again = len(take(second, 1))
    second.close()
    return values, committed, again


def main():
    admin = KafkaAdminClient(**COMMON)
    # The records bear times of 1970, which a retention by time would take.
    common = {"num_partitions": 3, "replication_factor": 1, "topic_configs": {"retention.ms": "-1"}}
    admin.create_topics([NewTopic(name=name, **common) for name in (TOPIC, DOOMED)])
    [described] = admin.describe_topics([TOPIC])
    brokers = admin.describe_cluster()["brokers"]
    produce()
    by_codec, by_time = read_by_hand()
    values, committed, again = read_in_group()
    admin.delete_topics([DOOMED])
    seen = {
        "brokers": len(brokers),
        "partitions": len(described["partitions"]),
        "codecs": by_codec,
        "byTime": by_time,
        "group": values,
        "committed": committed,
        "again": again,
        "left": sorted(name for name in admin.list_topics() if not name.startswith("__")),
    }
    print(json.dumps(seen))
    admin.close()


main()
