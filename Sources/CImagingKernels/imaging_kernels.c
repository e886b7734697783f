#include "imaging_kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Products and sums are rounded one by one on every processor, so that the bytes do not depend on it. */
#pragma STDC FP_CONTRACT OFF

/* One source, compiled for three generations of processors; the loader picks the best. It picks before the thread sanitizer
   is set up, and would crash in it. */
#if defined(__x86_64__) && !__has_feature(thread_sanitizer)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

static inline __attribute__((always_inline)) int32_t clamp_byte(int32_t value) {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* ---- Resampling ---- */

static void resample_row(
    const uint8_t *source, uint8_t *target, size_t width, const struct imaging_axis *axis) {
  const int32_t half = 1 << (axis->precision - 1);
  const int16_t *weights = axis->weights;
  for (size_t x = 0; x < width; x++) {
    const uint8_t *pixel = source + 3 * (size_t)axis->starts[x];
    int32_t red = half, green = half, blue = half;
    for (int32_t tap = 0; tap < axis->taps; tap++) {
      red += weights[tap] * pixel[0];
      green += weights[tap] * pixel[1];
      blue += weights[tap] * pixel[2];
      pixel += 3;
    }
    target[0] = (uint8_t)clamp_byte(red >> axis->precision);
    target[1] = (uint8_t)clamp_byte(green >> axis->precision);
    target[2] = (uint8_t)clamp_byte(blue >> axis->precision);
    target += 3;
    weights += axis->taps;
  }
}

void imaging_resample_rows_portable(
    const uint8_t *const sources[4], uint8_t *const targets[4], size_t width, const struct imaging_axis *axis) {
  for (int row = 0; row < 4; row++) resample_row(sources[row], targets[row], width, axis);
}

#if defined(__x86_64__)

/* Four taps at a time: 12 bytes become pairs of neighbouring pixels per channel, so that one multiply-add instruction does both pixels
 * of a pair, and the two pairs of the four taps share one 256-bit register. Four rows share the weights and the packing. */
__attribute__((target("avx2"))) static void resample_rows_avx2(
    const uint8_t *const sources[4], uint8_t *const targets[4], size_t width, const struct imaging_axis *axis) {
  const __m128i pairs = _mm_setr_epi8(0, 3, 1, 4, 2, 5, -1, -1, 6, 9, 7, 10, 8, 11, -1, -1);
  const __m256i spread = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const __m256i half = _mm256_set1_epi32(1 << (axis->precision - 1));
  const __m128i shift = _mm_cvtsi32_si128(axis->precision);
  const int16_t *weights = axis->weights;
  const size_t taps = (size_t)axis->taps;
  for (size_t x = 0; x < width; x++) {
    const size_t first = 3 * (size_t)axis->starts[x];
    __m256i sums[4];
    for (int row = 0; row < 4; row++) sums[row] = _mm256_setzero_si256();
    for (size_t tap = 0; tap < taps; tap += 4) {
      const __m128i four = _mm_loadl_epi64((const __m128i *)(weights + tap));
      const __m256i factor = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(four), spread);
      for (int row = 0; row < 4; row++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(sources[row] + first + 3 * tap));
        const __m256i words = _mm256_cvtepu8_epi16(_mm_shuffle_epi8(bytes, pairs));
        sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(words, factor));
      }
    }
    __m256i upper = _mm256_add_epi32(
        _mm256_permute2x128_si256(sums[0], sums[1], 0x20), _mm256_permute2x128_si256(sums[0], sums[1], 0x31));
    __m256i lower = _mm256_add_epi32(
        _mm256_permute2x128_si256(sums[2], sums[3], 0x20), _mm256_permute2x128_si256(sums[2], sums[3], 0x31));
    upper = _mm256_sra_epi32(_mm256_add_epi32(upper, half), shift);
    lower = _mm256_sra_epi32(_mm256_add_epi32(lower, half), shift);
    const __m256i words = _mm256_packs_epi32(upper, lower);
    const __m256i bytes = _mm256_packus_epi16(words, words);
    const __m128i even = _mm256_castsi256_si128(bytes), odd = _mm256_extracti128_si256(bytes, 1);
    const uint32_t pixels[4] = {
        (uint32_t)_mm_cvtsi128_si32(even), (uint32_t)_mm_cvtsi128_si32(odd), (uint32_t)_mm_extract_epi32(even, 1),
        (uint32_t)_mm_extract_epi32(odd, 1)};
    /* The fourth byte is the next pixel's and overwritten by it. */
    if (x + 1 < width) {
      for (int row = 0; row < 4; row++) memcpy(targets[row] + 3 * x, &pixels[row], 4);
    } else {
      for (int row = 0; row < 4; row++) memcpy(targets[row] + 3 * x, &pixels[row], 3);
    }
    weights += taps;
  }
}
#endif

void imaging_resample_rows(
    const uint8_t *const sources[4], uint8_t *const targets[4], size_t width, const struct imaging_axis *axis) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    resample_rows_avx2(sources, targets, width, axis);
    return;
  }
#endif
  imaging_resample_rows_portable(sources, targets, width, axis);
}

FOR_EACH_PROCESSOR
void imaging_resample_column(
    const uint8_t *source, size_t stride, uint8_t *target, size_t bytes, size_t index,
    const struct imaging_axis *axis) {
  enum { block = 64 };
  const int16_t *weights = axis->weights + index * (size_t)axis->taps;
  const uint8_t *first = source + (size_t)axis->starts[index] * stride;
  const int32_t precision = axis->precision;
  const int32_t half = 1 << (precision - 1);
  const int32_t taps = axis->taps;
  size_t x = 0;
  for (; x + block <= bytes; x += block) {
    int32_t sums[block];
    for (int lane = 0; lane < block; lane++) sums[lane] = half;
    for (int32_t tap = 0; tap < taps; tap++) {
      const uint8_t *row = first + (size_t)tap * stride + x;
      const int16_t weight = weights[tap];
      for (int lane = 0; lane < block; lane++) sums[lane] += (int16_t)row[lane] * weight;
    }
    for (int lane = 0; lane < block; lane++) target[x + lane] = (uint8_t)clamp_byte(sums[lane] >> precision);
  }
  for (; x < bytes; x++) {
    int32_t sum = half;
    for (int32_t tap = 0; tap < taps; tap++) sum += first[(size_t)tap * stride + x] * weights[tap];
    target[x] = (uint8_t)clamp_byte(sum >> precision);
  }
}

/* ---- Colour ---- */

void imaging_apply_table_portable(uint8_t *bytes, size_t count, const uint8_t table[256]) {
  for (size_t index = 0; index < count; index++) bytes[index] = table[bytes[index]];
}

#if defined(__x86_64__)
/* The whole table fits four registers: one permutation looks up the lower half, one the upper, the top bit chooses. */
__attribute__((target("avx512f,avx512bw,avx512vbmi"))) static void apply_table_vbmi(
    uint8_t *bytes, size_t count, const uint8_t table[256]) {
  const __m512i first = _mm512_loadu_si512(table), second = _mm512_loadu_si512(table + 64);
  const __m512i third = _mm512_loadu_si512(table + 128), fourth = _mm512_loadu_si512(table + 192);
  for (size_t index = 0; index < count; index += 64) {
    const size_t left = count - index;
    const __mmask64 present = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
    const __m512i values = _mm512_maskz_loadu_epi8(present, bytes + index);
    const __m512i low = _mm512_permutex2var_epi8(first, values, second);
    const __m512i high = _mm512_permutex2var_epi8(third, values, fourth);
    const __m512i found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(values), low, high);
    _mm512_mask_storeu_epi8(bytes + index, present, found);
  }
}
#endif

void imaging_apply_table(uint8_t *bytes, size_t count, const uint8_t table[256]) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw")) {
    apply_table_vbmi(bytes, count, table);
    return;
  }
#endif
  imaging_apply_table_portable(bytes, count, table);
}

/* .2989 red + .587 green + .114 blue, without the fraction. */
static inline __attribute__((always_inline)) int32_t gray(int32_t red, int32_t green, int32_t blue) {
  return (int32_t)((float)red * 0.2989f + (float)green * 0.587f + (float)blue * 0.114f);
}

FOR_EACH_PROCESSOR
uint64_t imaging_gray_sum(const uint8_t *pixels, size_t count) {
  uint64_t sum = 0;
  while (count > 0) {
    /* A 32-bit partial sum keeps the lanes narrow; it holds 2^24 gray values. */
    const size_t part = count < 65536 ? count : 65536;
    uint32_t partial = 0;
    for (size_t index = 0; index < part; index++) {
      partial += (uint32_t)gray(pixels[3 * index], pixels[3 * index + 1], pixels[3 * index + 2]);
    }
    sum += partial;
    pixels += 3 * part;
    count -= part;
  }
  return sum;
}

FOR_EACH_PROCESSOR
void imaging_grayscale(uint8_t *pixels, size_t count) {
  for (size_t index = 0; index < count; index++) {
    const uint8_t value = (uint8_t)gray(pixels[3 * index], pixels[3 * index + 1], pixels[3 * index + 2]);
    pixels[3 * index] = value;
    pixels[3 * index + 1] = value;
    pixels[3 * index + 2] = value;
  }
}

static inline __attribute__((always_inline)) uint8_t mixed(uint8_t value, float ratio, float addend) {
  const float sum = (float)value * ratio + addend;
  const float floor = sum < 0.0f ? 0.0f : sum;
  return (uint8_t)(int32_t)(floor > 255.0f ? 255.0f : floor);
}

FOR_EACH_PROCESSOR
void imaging_saturate(uint8_t *pixels, size_t count, float ratio, float rest) {
  for (size_t index = 0; index < count; index++) {
    const uint8_t red = pixels[3 * index], green = pixels[3 * index + 1], blue = pixels[3 * index + 2];
    const float addend = (float)gray(red, green, blue) * rest;
    pixels[3 * index] = mixed(red, ratio, addend);
    pixels[3 * index + 1] = mixed(green, ratio, addend);
    pixels[3 * index + 2] = mixed(blue, ratio, addend);
  }
}

/* The channel with the given offset on the colour circle of six sectors: full value, minus the chroma where the hue is far away. */
static inline __attribute__((always_inline)) uint8_t channel_at(float sector, float offset, float value, float chroma) {
  float place = sector + offset;
  place = place >= 6.0f ? place - 6.0f : place;
  const float falling = 4.0f - place;
  float distance = place < falling ? place : falling;
  distance = distance < 0.0f ? 0.0f : distance;
  distance = distance > 1.0f ? 1.0f : distance;
  return (uint8_t)(int32_t)((value - chroma * distance) * (255.999f / 255.0f));
}

FOR_EACH_PROCESSOR
void imaging_turn_hue(uint8_t *pixels, size_t count, float shift) {
  const float turn = shift * 6.0f;
  for (size_t index = 0; index < count; index++) {
    const int32_t red = pixels[3 * index], green = pixels[3 * index + 1], blue = pixels[3 * index + 2];
    const int32_t larger = red > green ? red : green, smaller = red < green ? red : green;
    const int32_t most = larger > blue ? larger : blue, least = smaller < blue ? smaller : blue;
    const int32_t range = most - least;
    const float scale = 1.0f / (float)(range > 0 ? range : 1);
    /* Red, green and blue sit at 0, 2 and 4 of the six sectors. */
    const int32_t difference = most == red ? green - blue : most == green ? blue - red : red - green;
    const float base = most == red ? 0.0f : most == green ? 2.0f : 4.0f;
    float sector = base + (float)difference * scale + turn;
    sector = sector < 0.0f ? sector + 6.0f : sector;
    sector = sector >= 6.0f ? sector - 6.0f : sector;
    const float value = (float)most, chroma = (float)range;
    pixels[3 * index] = channel_at(sector, 5.0f, value, chroma);
    pixels[3 * index + 1] = channel_at(sector, 3.0f, value, chroma);
    pixels[3 * index + 2] = channel_at(sector, 1.0f, value, chroma);
  }
}

/* ---- Blur ---- */

FOR_EACH_PROCESSOR
void imaging_blur_row_portable(
    const uint8_t *padded, int16_t *target, size_t count, const int16_t *weights, size_t radius) {
  const uint8_t *centre = padded + 3 * radius;
  for (size_t x = 0; x < count; x++) {
    int32_t sum = (1 << 7) + centre[x] * weights[0];
    for (size_t k = 1; k <= radius; k++) sum += (*(centre + x - 3 * k) + centre[x + 3 * k]) * weights[k];
    target[x] = (int16_t)(sum >> 8);
  }
}

FOR_EACH_PROCESSOR
void imaging_blur_column_portable(
    const int16_t *const *rows, uint8_t *target, size_t count, const int16_t *weights, size_t radius) {
  for (size_t x = 0; x < count; x++) {
    int32_t sum = (1 << 21) + rows[radius][x] * weights[0];
    for (size_t k = 1; k <= radius; k++) sum += rows[radius - k][x] * weights[k] + rows[radius + k][x] * weights[k];
    target[x] = (uint8_t)clamp_byte(sum >> 22);
  }
}

#if defined(__x86_64__)
enum { blur_block = 32 }; /* outputs per step of the vector versions */

/* Two weights for one multiply-add instruction. */
static inline __attribute__((always_inline, target("avx2"))) __m256i weight_pair(int16_t first, int16_t second) {
  return _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)second << 16 | (uint16_t)first));
}

/* Adds the products of 16 pairs of words to two registers of 8 sums, whose order _mm256_packs_epi32 undoes. */
static inline __attribute__((always_inline, target("avx2"))) void add_products(
    __m256i sums[2], __m256i first, __m256i second, __m256i factors) {
  sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), factors));
  sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), factors));
}

static inline __attribute__((always_inline, target("avx2"))) __m256i widened(const uint8_t *bytes) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)bytes));
}

__attribute__((target("avx2"))) static void blur_row_avx2(
    const uint8_t *padded, int16_t *target, size_t count, const int16_t *weights, size_t radius) {
  const __m256i half = _mm256_set1_epi32(1 << 7);
  for (size_t start = 0; start < count; start += blur_block) {
    /* The last block steps back over finished outputs. */
    const size_t x = start + blur_block <= count ? start : count - blur_block;
    const uint8_t *centre = padded + 3 * radius + x;
    __m256i left[2] = {half, half}, right[2] = {half, half};
    /* Terms come in pairs: the centre with distance 1, then 2 with 3, and so on; an odd one out is paired with itself at weight 0. */
    __m256i first_left = widened(centre), first_right = widened(centre + 16);
    int16_t first_weight = weights[0];
    for (size_t k = 1;; k += 2) {
      const size_t distance = k <= radius ? k : radius;
      const uint8_t *before = centre - 3 * distance, *after = centre + 3 * distance;
      const __m256i factors = weight_pair(first_weight, k <= radius ? weights[k] : 0);
      add_products(left, first_left, _mm256_add_epi16(widened(before), widened(after)), factors);
      add_products(right, first_right, _mm256_add_epi16(widened(before + 16), widened(after + 16)), factors);
      if (k + 1 > radius) break;
      before = centre - 3 * (k + 1);
      after = centre + 3 * (k + 1);
      first_left = _mm256_add_epi16(widened(before), widened(after));
      first_right = _mm256_add_epi16(widened(before + 16), widened(after + 16));
      first_weight = weights[k + 1];
    }
    _mm256_storeu_si256(
        (__m256i *)(target + x), _mm256_packs_epi32(_mm256_srai_epi32(left[0], 8), _mm256_srai_epi32(left[1], 8)));
    _mm256_storeu_si256(
        (__m256i *)(target + x + 16),
        _mm256_packs_epi32(_mm256_srai_epi32(right[0], 8), _mm256_srai_epi32(right[1], 8)));
  }
}

__attribute__((target("avx2"))) static void blur_column_avx2(
    const int16_t *const *rows, uint8_t *target, size_t count, const int16_t *weights, size_t radius) {
  const __m256i half = _mm256_set1_epi32(1 << 21), zero = _mm256_setzero_si256();
  for (size_t start = 0; start < count; start += blur_block) {
    const size_t x = start + blur_block <= count ? start : count - blur_block;
    const __m256i *centre = (const __m256i *)(rows[radius] + x);
    __m256i left[2] = {half, half}, right[2] = {half, half};
    add_products(left, _mm256_loadu_si256(centre), zero, weight_pair(weights[0], 0));
    add_products(right, _mm256_loadu_si256(centre + 1), zero, weight_pair(weights[0], 0));
    for (size_t k = 1; k <= radius; k++) {
      const __m256i *above = (const __m256i *)(rows[radius - k] + x), *below = (const __m256i *)(rows[radius + k] + x);
      const __m256i factors = weight_pair(weights[k], weights[k]);
      add_products(left, _mm256_loadu_si256(above), _mm256_loadu_si256(below), factors);
      add_products(right, _mm256_loadu_si256(above + 1), _mm256_loadu_si256(below + 1), factors);
    }
    const __m256i first = _mm256_packs_epi32(_mm256_srai_epi32(left[0], 22), _mm256_srai_epi32(left[1], 22));
    const __m256i second = _mm256_packs_epi32(_mm256_srai_epi32(right[0], 22), _mm256_srai_epi32(right[1], 22));
    const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), 0xD8);
    _mm256_storeu_si256((__m256i *)(target + x), bytes);
  }
}
#endif

void imaging_blur_row(
    const uint8_t *padded, int16_t *target, size_t count, const int16_t *weights, size_t radius) {
#if defined(__x86_64__)
  if (count >= blur_block && radius > 0 && __builtin_cpu_supports("avx2")) {
    blur_row_avx2(padded, target, count, weights, radius);
    return;
  }
#endif
  imaging_blur_row_portable(padded, target, count, weights, radius);
}

void imaging_blur_column(
    const int16_t *const *rows, uint8_t *target, size_t count, const int16_t *weights, size_t radius) {
#if defined(__x86_64__)
  if (count >= blur_block && __builtin_cpu_supports("avx2")) {
    blur_column_avx2(rows, target, count, weights, radius);
    return;
  }
#endif
  imaging_blur_column_portable(rows, target, count, weights, radius);
}
