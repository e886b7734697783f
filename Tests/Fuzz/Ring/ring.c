// Whatever stands in a ring's file, producer, consumer and observer stay within it and come to an end.
//
// The input is what differs from a whole ring, bit by bit: all zeros is one, so the fuzzer need not find out what a ring looks
// like, and instances and times, which are never twice the same, cost it no reproduction.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sassl_ring.h"

static char directory[] = "/dev/shm/sassl-fuzz-XXXXXX";
static char path[256];

static const struct sassl_ring_field fields[] = {
    {.name = "view0", .dtype = SASSL_RING_UINT8, .dimensions = 4, .shape = {2, 3, 3, 3}},
    {.name = "label", .dtype = SASSL_RING_INT64, .dimensions = 1, .shape = {2}},
};

static const char settings[] = "stream.seed = 1\nviews.view[1].side = 224\nstyle.source = \"bank\"\n";

static void remove_directory(void) {
  unlink(path);
  rmdir(directory);
}

int LLVMFuzzerInitialize(int *argument_count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerInitialize(int *argument_count, char ***arguments) {
  (void)argument_count, (void)arguments;
  if (mkdtemp(directory) == NULL || sassl_ring_path(directory, "fuzz", 0, path, sizeof path, NULL) != 0) abort();
  atexit(remove_directory);
  return 0;
}

static struct sassl_ring_producer *create(void) {
  struct sassl_ring_producer_options options = {
      .directory = directory, .name = "fuzz", .world_size = 1, .batch_size = 2, .slot_count = 2, .fields = fields,
      .field_count = 2, .settings = settings, .resume = 1, .group_id = -1};
  struct sassl_ring_producer *producer = NULL;
  struct sassl_ring_error error;
  return sassl_ring_producer_create(&options, &producer, &error) == SASSL_RING_OK ? producer : NULL;
}

static void produce(struct sassl_ring_producer *producer) {
  struct sassl_ring_reservation reservation;
  struct sassl_ring_batch batch = {.count = 2};
  if (sassl_ring_producer_reserve(producer, 0, &reservation, NULL) != SASSL_RING_OK) return;
  memset(reservation.payload, 7, sassl_ring_producer_geometry(producer)->payload_bytes);
  sassl_ring_producer_publish(producer, &reservation, &batch, NULL);
}

static void consume(void) {
  struct sassl_ring_consumer_options options = {
      .directory = directory, .name = "fuzz", .start = SASSL_RING_CONTINUE, .verify = 0, .accept_change = 1};
  struct sassl_ring_consumer *consumer = NULL;
  if (sassl_ring_consumer_attach(&options, &consumer, NULL) != SASSL_RING_OK) return;
  char words[128];
  sassl_ring_settings_difference(sassl_ring_consumer_settings(consumer), settings, words, sizeof words);
  sassl_ring_settings_difference(settings, sassl_ring_consumer_settings(consumer), words, sizeof words);
  if (strlen(words) >= sizeof words) abort();
  for (int turn = 0; turn < 3; turn++) {
    struct sassl_ring_lease lease;
    if (sassl_ring_consumer_next(consumer, 0, &lease, NULL) != SASSL_RING_OK) break;
    const struct sassl_ring_geometry *geometry = sassl_ring_mapping_geometry(lease.mapping);
    const struct sassl_ring_field *table = sassl_ring_mapping_fields(lease.mapping);
    volatile uint8_t sum = 0;
    for (uint32_t index = 0; index < geometry->field_count; index++) {
      const uint8_t *array = (const uint8_t *)lease.payload + table[index].offset;
      sum += array[0];
      sum += array[table[index].bytes - 1];
    }
    sassl_ring_consumer_release(consumer, lease.identifier, NULL);
  }
  sassl_ring_consumer_seek(consumer, 5, NULL);
  sassl_ring_consumer_close(consumer);
}

static void observe(void) {
  struct sassl_ring_observer *observer = NULL;
  if (sassl_ring_observer_open(directory, "fuzz", 0, &observer, NULL) != SASSL_RING_OK) return;
  struct sassl_ring_counters counters;
  sassl_ring_observer_counters(observer, &counters);
  uint64_t bytes = sassl_ring_observer_geometry(observer)->payload_bytes;
  void *payload = bytes <= 1 << 20 ? malloc(bytes) : NULL;
  struct sassl_ring_slot slot;
  for (uint64_t number = 0; number < 2; number++) sassl_ring_observer_read(observer, number, &slot, payload, NULL);
  free(payload);
  sassl_ring_observer_close(observer);
}

static void apply(int descriptor, const uint8_t *differences, size_t count) {
  uint8_t contents[16384];
  ssize_t length = pread(descriptor, contents, sizeof contents, 0);
  for (ssize_t index = 0; index < length && (size_t)index < count; index++) contents[index] ^= differences[index];
  if (length < 0 || pwrite(descriptor, contents, (size_t)length, 0) != length) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  // A living ring that somebody scribbles over.
  unlink(path);
  struct sassl_ring_producer *producer = create();
  if (producer == NULL) abort();
  produce(producer);
  int descriptor = open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) abort();
  apply(descriptor, bytes, count);
  consume();
  observe();
  produce(producer);
  produce(producer);
  sassl_ring_producer_abandon(producer);

  // What is left of it, scribbled over once more, in the place of the next producer.
  apply(descriptor, bytes, count);
  close(descriptor);
  observe();
  producer = create();
  if (producer == NULL) return 0;
  produce(producer);
  consume();
  if (sassl_ring_producer_close(producer) != SASSL_RING_OK) abort();
  return 0;
}
