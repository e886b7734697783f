// The settings of a stream as text, and how two of them differ in words. See sassl_ring_settings_difference.
#define _GNU_SOURCE
#include "internal.h"

#include <stdio.h>
#include <string.h>

/// A piece of a text, not NUL-terminated.
struct slice {
  const char *start;
  size_t length;
};

/// A line of a text.
struct setting {
  struct slice key, value;
};

/// The sentence so far. What does not fit is counted in `used` and not written, as by snprintf.
struct sentence {
  char *bytes;
  size_t capacity;
  size_t used;
};

// Of a key or a value: enough for any but a path, and so little that at least one setting always fits 300 bytes.
#define LONGEST_WORDING 80

#define BETWEEN_KEY_AND_VALUE " = "
#define LONGEST_ENDING (sizeof "; and 18446744073709551615 more")

/// Takes the next setting from `*cursor`, passing over lines that are none.
static bool next_setting(const char **cursor, struct setting *setting) {
  while (**cursor != 0) {
    const char *line = *cursor;
    size_t length = strcspn(line, "\n");
    *cursor = line + length + (line[length] == '\n');
    const char *between = memmem(line, length, BETWEEN_KEY_AND_VALUE, strlen(BETWEEN_KEY_AND_VALUE));
    if (between == NULL) continue;
    const char *value = between + strlen(BETWEEN_KEY_AND_VALUE);
    setting->key = (struct slice){line, (size_t)(between - line)};
    setting->value = (struct slice){value, (size_t)(line + length - value)};
    return true;
  }
  return false;
}

static bool same(struct slice left, struct slice right) {
  return left.length == right.length && memcmp(left.start, right.start, left.length) == 0;
}

/// The value of `key` in a text; its `start` is NULL where the text has no such setting.
static struct slice value_of(struct slice key, const char *text) {
  struct setting setting;
  while (next_setting(&text, &setting)) {
    if (same(setting.key, key)) return setting.value;
  }
  return (struct slice){NULL, 0};
}

static void append_byte(struct sentence *sentence, char byte) {
  if (sentence->used < sentence->capacity) sentence->bytes[sentence->used] = byte;
  sentence->used++;
}

static void append(struct sentence *sentence, const char *words) {
  while (*words != 0) append_byte(sentence, *words++);
}

/// Appends a key or a value: cut where it is long, between characters, and without anything that a terminal would obey.
static void append_slice(struct sentence *sentence, struct slice slice) {
  size_t length = slice.length;
  if (length > LONGEST_WORDING) {
    length = LONGEST_WORDING;
    while (length > 0 && (slice.start[length] & 0xC0) == 0x80) length--;
  }
  for (size_t index = 0; index < length; index++) {
    unsigned char byte = (unsigned char)slice.start[index];
    // U+0080 to U+009F, which some terminals obey, are two bytes.
    bool is_late_control = byte == 0xC2 && index + 1 < length && ((unsigned char)slice.start[index + 1] & 0xE0) == 0x80;
    append_byte(sentence, byte < 0x20 || byte == 0x7F || is_late_control ? '?' : (char)byte);
    if (is_late_control) index++;
  }
  if (length < slice.length) append(sentence, "...");
}

static void append_value(struct sentence *sentence, struct slice value) {
  if (value.start == NULL) append(sentence, "unset");
  else append_slice(sentence, value);
}

/// Counts a difference, and appends it if it and whatever ending fit. Once one has not fitted, none is appended.
static void note(struct sentence *sentence, size_t *named, size_t *count, struct slice key, struct slice former,
                 struct slice present) {
  size_t before = sentence->used;
  bool all_fitted = *named == *count;
  ++*count;
  if (!all_fitted) return;
  if (before > 0) append(sentence, "; ");
  append_slice(sentence, key);
  append(sentence, " was ");
  append_value(sentence, former);
  append(sentence, " and is ");
  append_value(sentence, present);
  if (sentence->used + LONGEST_ENDING <= sentence->capacity) ++*named;
  else sentence->used = before;
}

size_t sassl_ring_settings_difference(const char *former, const char *present, char *words, size_t capacity) {
  struct sentence sentence = {.bytes = words, .capacity = capacity};
  size_t named = 0, count = 0;
  if (capacity > 0) words[0] = 0;
  if (*former == 0 || *present == 0) return 0;
  struct setting setting;
  for (const char *cursor = former; next_setting(&cursor, &setting);) {
    struct slice value = value_of(setting.key, present);
    if (value.start == NULL || !same(value, setting.value)) {
      note(&sentence, &named, &count, setting.key, setting.value, value);
    }
  }
  for (const char *cursor = present; next_setting(&cursor, &setting);) {
    struct slice value = value_of(setting.key, former);
    if (value.start == NULL) note(&sentence, &named, &count, setting.key, value, setting.value);
  }
  size_t rest = count - named, used = sentence.used;
  if (rest > 0 && named > 0) snprintf(words + used, capacity - used, "; and %zu more", rest);
  else if (rest > 0) snprintf(words, capacity, "%zu settings differ", rest);
  else if (named > 0) words[used] = 0;
  return count;
}
