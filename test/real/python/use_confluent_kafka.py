"""A program of confluent-kafka, Python on librdkafka, as a user would write it. It makes topics, writes with every codec,
reads by hand, by time and in a group, and prints what it saw as one line of JSON. The test that runs it knows what must be
seen.

Usage: use_confluent_kafka.py ADDRESS
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC, DOOMED, GROUP = "confluent-topic", "confluent-doomed", "confluent-group"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PER_CODEC = 40
LIMIT_SECONDS = 150
DEADLINE = time.monotonic() + LIMIT_SECONDS


def settings(**more):
    common = {"bootstrap.servers": sys.argv[1], "client.id": "confluent-kafka"}
    return {**common, **{name.replace("_", "."): value for name, value in more.items()}}


def raise_error(error, _message):
    if error is not None:
        raise KafkaException(error)


def produce():
    for number, codec in enumerate(CODECS):
        producer = Producer(settings(enable_idempotence=True, compression_type=codec))
        for i in range(PER_CODEC):
            producer.produce(
                TOPIC,
                partition=1,
                key=codec,
                value=f"value {i}",
                timestamp=1000 * (number * PER_CODEC + i) + 1000,
                on_delivery=raise_error,
            )
        if producer.flush(LIMIT_SECONDS) != 0:
            raise RuntimeError("not all was delivered")


def take(consumer, wanted):
    messages = []
    while len(messages) < wanted:
        if time.monotonic() > DEADLINE:
            raise RuntimeError(f"only {len(messages)} of {wanted} records came")
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        messages.append(message)
    return messages


def consumer(group, **more):
    return Consumer(settings(group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", **more))


def read_by_hand():
    reader = consumer("unused")
    reader.assign([TopicPartition(TOPIC, 1, 0)])
    by_codec = {}
    for message in take(reader, len(CODECS) * PER_CODEC):
        by_codec.setdefault(message.key().decode(), []).append(message.value().decode())
    [found] = reader.offsets_for_times([TopicPartition(TOPIC, 1, 60_500)], timeout=30)
    reader.seek(found)
    [first] = take(reader, 1)
    reader.close()
    return by_codec, first.offset()


def read_in_group():
    first = consumer(GROUP)
    first.subscribe([TOPIC])
    values = sorted(f"{m.key().decode()}={m.value().decode()}" for m in take(first, len(CODECS) * PER_CODEC))
    first.commit(asynchronous=False)
    first.close()
    second = consumer(GROUP)
    [committed] = second.committed([TopicPartition(TOPIC, 1)], timeout=30)
    producer = Producer(settings())
    producer.produce(TOPIC, partition=1, value="after", on_delivery=raise_error)
    producer.flush(LIMIT_SECONDS)
    second.subscribe([TOPIC])
    again = len(take(second, 1))
    second.close()
    return values, committed.offset, again


def main():
    admin = AdminClient(settings())
    # The records bear times of 1970, which a retention by time would take.
    topics = [NewTopic(name, 3, 1, config={"retention.ms": "-1"}) for name in (TOPIC, DOOMED)]
    for made in admin.create_topics(topics).values():
        made.result()
    metadata = admin.list_topics(TOPIC, timeout=30)
    produce()
    by_codec, by_time = read_by_hand()
    values, committed, again = read_in_group()
    for gone in admin.delete_topics([DOOMED]).values():
        gone.result()
    seen = {
        "brokers": len(metadata.brokers),
        "partitions": len(metadata.topics[TOPIC].partitions),
        "codecs": by_codec,
        "byTime": by_time,
        "group": values,
        "committed": committed,
        "again": again,
        "left": sorted(name for name in admin.list_topics(timeout=30).topics if not name.startswith("__")),
    }
    print(json.dumps(seen))


main()
