/**
 * Loaded before librdkafka, it has topics made with one replica where a test asks for three: a broker of ours is alone,
 * and what these tests look at does not depend on replicas.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

typedef void *new_topic(const char *topic, int partitions, int replicas, char *error, size_t error_size);

void *rd_kafka_NewTopic_new(const char *topic, int partitions, int replicas, char *error, size_t error_size) {
    new_topic *original = (new_topic *)dlsym(RTLD_NEXT, "rd_kafka_NewTopic_new");
    return original(topic, partitions, replicas > 1 ? 1 : replicas, error, error_size);
}
