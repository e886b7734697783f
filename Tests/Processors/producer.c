// A producer in plain C: fills a ring with N batches whose labels and bytes follow from their numbers, and waits for the reader.
//
//     producer DIRECTORY NAME N
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sassl_ring.h"

static int complain(const struct sassl_ring_error *error) {
  fprintf(stderr, "%s\n", error->message);
  return 1;
}

int main(int count, char **arguments) {
  if (count != 4) return 64;
  const struct sassl_ring_field fields[] = {
      {.name = "view0", .dtype = 1, .dimensions = 4, .shape = {4, 16, 16, 3}},
      {.name = "sample_ids", .dtype = 8, .dimensions = 1, .shape = {4}},
  };
  const struct sassl_ring_producer_options options = {
      .directory = arguments[1],
      .name = arguments[2],
      .world_size = 1,
      .batch_size = 4,
      .slot_count = 3,
      .fields = fields,
      .field_count = 2,
      .batches_per_epoch = 10,
      .group_id = -1,
  };
  struct sassl_ring_producer *producer;
  struct sassl_ring_error error;
  if (sassl_ring_producer_create(&options, &producer, &error) != SASSL_RING_OK) return complain(&error);
  const struct sassl_ring_field *placed = sassl_ring_producer_fields(producer);
  const unsigned long batches = strtoul(arguments[3], NULL, 10);
  for (unsigned long made = 0; made < batches; made++) {
    struct sassl_ring_reservation slot;
    if (sassl_ring_producer_reserve(producer, SASSL_RING_FOREVER, &slot, &error) != SASSL_RING_OK) return complain(&error);
    memset((char *)slot.payload + placed[0].offset, (int)slot.number, placed[0].bytes);
    int64_t *identifiers = (int64_t *)((char *)slot.payload + placed[1].offset);
    for (int sample = 0; sample < 4; sample++) identifiers[sample] = (int64_t)slot.number * 4 + sample;
    const struct sassl_ring_batch batch = {.epoch = slot.number / 10, .step = slot.number % 10, .count = 4};
    if (sassl_ring_producer_publish(producer, &slot, &batch, &error) != SASSL_RING_OK) return complain(&error);
  }
  // A slot of its own for each batch would be no ring; the last is given back when the reader has taken everything.
  struct sassl_ring_counters counters;
  do {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    sassl_ring_producer_counters(producer, &counters);
  } while (counters.released < batches);
  return sassl_ring_producer_close(producer);
}
