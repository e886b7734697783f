// Runs the C parts of Imaging and StyleTransfer on numbers that are the same everywhere, and prints what comes out as one line for each
// function: its name and a hash of its bytes. Where a line has the name "gemm_f32 error", it is the largest error, in units of the bound
// that rounding allows, against sums in double precision.
//
// Lines of two processors are compared by Tests/Processors/run. All down to "gemm_fused_f32" must always be the same. Built with
// -ffp-contract=off, the others must be, too; with the flags of the package a processor with fused multiply-adds uses them, so
// only the errors of gemm_f32 are compared.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imaging_kernels.h"
#include "integer_kernels.h"
#include "style_kernels.h"

static uint64_t state = 88172645463325252u;

static uint64_t bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static void say(const char *name, const void *bytes, size_t count) {
  uint64_t hash = 14695981039346656037u;
  for (size_t index = 0; index < count; index++) hash = (hash ^ ((const uint8_t *)bytes)[index]) * 1099511628211u;
  printf("%s %016" PRIx64 "\n", name, hash);
}

static uint8_t *random_bytes(size_t count) {
  uint8_t *bytes = malloc(count);
  for (size_t index = 0; index < count; index++) bytes[index] = (uint8_t)(bits() >> 40);
  return bytes;
}

// Uniform in -1...1.
static float *random_floats(size_t count) {
  float *floats = malloc(count * sizeof *floats);
  for (size_t index = 0; index < count; index++) floats[index] = (float)(bits() >> 40) / 8388608.0f - 1.0f;
  return floats;
}

static void imaging(void) {
  enum { width = 97, out = 61, taps = 8, rows = 40, bytes = 3 * width };
  uint8_t *pixels = random_bytes(rows * bytes + 64);
  int32_t starts[out];
  int16_t weights[out * taps];
  for (int index = 0; index < out; index++) {
    starts[index] = index * (width - taps) / out;
    for (int tap = 0; tap < taps; tap++) weights[index * taps + tap] = (int16_t)((int)(bits() >> 50) - 4096);
  }
  const struct imaging_axis axis = {.starts = starts, .weights = weights, .taps = taps, .precision = 14};
  const uint8_t *const sources[4] = {pixels, pixels + bytes, pixels + 2 * bytes, pixels + 3 * bytes};
  uint8_t resampled[4 * 3 * out];
  uint8_t *const targets[4] = {resampled, resampled + 3 * out, resampled + 6 * out, resampled + 9 * out};
  imaging_resample_rows(sources, targets, out, &axis);
  say("resample_rows", resampled, sizeof resampled);
  imaging_resample_rows_portable(sources, targets, out, &axis);
  say("resample_rows_portable", resampled, sizeof resampled);
  uint8_t row[bytes];
  int32_t first[1] = {3};
  const struct imaging_axis vertical = {.starts = first, .weights = weights, .taps = taps, .precision = 14};
  imaging_resample_column(pixels, bytes, row, bytes, 0, &vertical);
  say("resample_column", row, sizeof row);

  uint8_t table[256];
  for (int value = 0; value < 256; value++) table[value] = (uint8_t)(bits() >> 30);
  imaging_apply_table(pixels, rows * bytes, table);
  say("apply_table", pixels, rows * bytes);
  const uint64_t sum = imaging_gray_sum(pixels, rows * width);
  say("gray_sum", &sum, sizeof sum);
  imaging_saturate(pixels, rows * width, 1.37f, -0.37f);
  say("saturate", pixels, rows * bytes);
  for (float shift = -0.5f; shift <= 0.5f; shift += 0.0625f) imaging_turn_hue(pixels, rows * width, shift);
  say("turn_hue", pixels, rows * bytes);
  enum { radius = 5 };
  const int16_t blur[radius + 1] = {8192, 5000, 3500, 2000, 1200, 588};
  static int16_t blurred[2 * radius + 1][bytes];
  const int16_t *lines[2 * radius + 1];
  for (int line = 0; line <= 2 * radius; line++) {
    imaging_blur_row(pixels + line * bytes, blurred[line], bytes - 6 * radius, blur, radius);
    lines[line] = blurred[line];
  }
  say("blur_row", blurred, sizeof blurred);
  imaging_blur_column(lines, row, bytes, blur, radius);
  say("blur_column", row, sizeof row);
  imaging_grayscale(pixels, rows * width);
  say("grayscale", pixels, rows * bytes);
  free(pixels);
}

static void gemm(const style_kernels *kernels) {
  enum { outputs = 13, depth = 75, count = 96 };
  float *matrix = random_floats(outputs * depth), *input = random_floats(depth * count), *packed = random_floats(outputs * depth);
  float output[outputs * count];
  ptrdiff_t offsets[depth];
  for (int row = 0; row < depth; row++) offsets[row] = (ptrdiff_t)row * count;
  kernels->pack_rows_f32(matrix, outputs, depth, packed);
  kernels->gemm_fused_f32(packed, outputs, offsets, depth, input, count, output, count, NULL);
  say("gemm_fused_f32", output, sizeof output);
  kernels->gemm_f32(packed, outputs, offsets, depth, input, count, output, count, NULL);
  say("gemm_f32", output, sizeof output);
  double worst = 0;
  for (int row = 0; row < outputs; row++)
    for (int column = 0; column < count; column++) {
      double sum = 0, sizes = 0;
      for (int index = 0; index < depth; index++) {
        const double product = (double)matrix[row * depth + index] * input[index * count + column];
        sum += product;
        sizes += fabs(product);
      }
      // n roundings of a product and a sum each: n u / (1 - n u) of the sizes, with u = 2^-24 (Higham, section 3.1).
      const double roundings = (depth + 1) * 0x1p-24, bound = roundings / (1 - roundings) * sizes;
      worst = fmax(worst, fabs(output[row * count + column] - sum) / bound);
    }
  printf("gemm_f32 error %.3f\n", worst);
  free(matrix), free(input), free(packed);
}

// What an embedded predictor is made of besides products: each step is rounded once, however it is built.
static void predictor(void) {
  const style_kernels *kernels = style_kernels_for(STYLE_PATH_PORTABLE);
  float *input = random_floats(2048), *weights = random_floats(9);
  static float output[12 * 32];
  static uint32_t masks[2048];
  for (size_t index = 0; index < 2048; index++) masks[index] = bits() >> 60 ? ~0u : 0;
  kernels->depthwise3_stride1_f32(input + 4, 32, 12, weights, masks, masks, 0.1f, 0, 6, output);
  say("depthwise3_stride1_f32", output, 12 * 32 * sizeof *output);
  kernels->depthwise3_stride2_f32(input, 80, 29, weights, masks, 0.1f, 0, 6, output);
  say("depthwise3_stride2_f32", output, 29 * sizeof *output);
  kernels->sum_rows_f32(input, 5, 101, 97, 0.25f, output);
  say("sum_rows_f32", output, 5 * sizeof *output);
  free(input), free(weights);
}

static void style(void) {
  const style_kernels *kernels = style_kernels_for(STYLE_PATH_PORTABLE);
  gemm(kernels);
  enum { count = 64, stride = 96, row = 8 };
  static float points[64 * stride], planes[16 * stride];
  static uint32_t masks[16 * stride];
  for (size_t index = 0; index < 16 * stride; index++) masks[index] = bits() >> 60 ? ~0u : 0;
  const style_winograd shapes[] = {STYLE_WINOGRAD_4_2, STYLE_WINOGRAD_4_3, STYLE_WINOGRAD_4_5};
  for (int index = 0; index < 3; index++) {
    float *input = random_floats(16 * stride);
    double sums[2] = {0, 0};
    kernels->winograd_input_f32(shapes[index], input, stride, row, count, points, stride);
    say("winograd_input_f32", points, sizeof points);
    kernels->winograd_output_f32(shapes[index], points, stride, count, planes, stride, masks, stride, sums);
    say("winograd_output_f32", planes, sizeof planes);
    say("winograd_output_f32 sums", sums, sizeof sums);
    free(input);
  }
  float *input = random_floats(4096), *weights = random_floats(9), *output = random_floats(4096);
  memset(masks, 0xff, sizeof masks);
  kernels->affine_f32(input, 1001, 1.7f, -0.3f, 0, output);
  kernels->add_affine_f32(input, 1001, -0.6f, 0.2f, output);
  say("affine_f32, add_affine_f32", output, 1001 * sizeof *output);
  const ptrdiff_t offsets[4] = {0, 512, 1024, 1536};
  kernels->interleave2_f32(input, offsets, 256, 1.5f, 0.1f, 0, output);
  say("interleave2_f32", output, 512 * sizeof *output);
  kernels->interleave4_f32(input, offsets, 256, 1.5f, 0.1f, 0, output);
  say("interleave4_f32", output, 1024 * sizeof *output);
  kernels->deinterleave2_f32(input, 256, output, offsets);
  kernels->deinterleave4_f32(input, 256, output, offsets);
  say("deinterleave4_f32", output, 1792 * sizeof *output);
  uint8_t *pixels = random_bytes(3 * 500);
  kernels->pixels_to_rows_f32(pixels, 500, output, output + 512, output + 1024);
  say("pixels_to_rows_f32", output, 1524 * sizeof *output);
  kernels->sigmoid_rows_to_pixels_f32(input, input + 512, input + 1024, 500, output);
  say("sigmoid_rows_to_pixels_f32", output, 1500 * sizeof *output);
  kernels->blend_bytes_f32(output, 1500, 0.25f, pixels);
  say("blend_bytes_f32", pixels, 1500);
  free(input), free(weights), free(output), free(pixels);
}

static void integers(void) {
  enum { width = 19, height = 10, columns = 20, rows = 12, channels = 48, count = columns * rows * channels };
  const style_integer_kernels *const kernels = style_integer_kernels_named("portable");
  static int16_t levels[(columns + 2) * (rows + 2) * channels], weights[STYLE_TILE_POINTS * channels * channels];
  for (size_t index = 0; index < sizeof weights / sizeof *weights; index++)
    weights[index] = (int16_t)((int64_t)(bits() >> 40) % 2001 - 1000);
  uint8_t *pixels = random_bytes(16 * width * height * 3);
  kernels->pixels_to_patches(pixels, width, height, levels);
  say("pixels_to_patches", levels, sizeof levels);
  static float sums[count], feature[width * height * channels], output[16 * width * height * 3];
  double doubles[2][channels];
  float extremes[2][channels];
  const style_statistics statistics = {
      .sum = doubles[0], .sum_of_squares = doubles[1], .least = extremes[0], .greatest = extremes[1]};
  void *scratch = malloc(style_convolution_scratch(channels, channels));
  kernels->convolve(levels, width, height, channels, weights, channels, sums, &statistics, scratch);
  for (size_t row = 0; row < height; row++)
    say("convolve", sums + row * columns * channels, width * channels * sizeof *sums);
  say("convolve sums", doubles, sizeof doubles);
  say("convolve extremes", extremes, sizeof extremes);
  float *scale = random_floats(channels), *shift = random_floats(channels);
  for (size_t channel = 0; channel < channels; channel++) scale[channel] *= 300 / extremes[1][channel];
  kernels->quantise(sums, width, height, channels, scale, shift, -3, levels);
  say("quantise", levels, sizeof levels);
  kernels->begin_feature(sums, width, height, channels, scale, shift, 0.5f, feature, levels);
  say("begin_feature", feature, sizeof feature);
  const float greatest = kernels->add_to_feature(sums, width, height, channels, scale, shift, 0.25f, feature, levels);
  say("add_to_feature", feature, sizeof feature);
  say("add_to_feature levels", levels, sizeof levels);
  say("add_to_feature greatest", &greatest, sizeof greatest);
  for (size_t channel = 0; channel < channels; channel++) scale[channel] *= 0.01f;
  kernels->patches_to_pixels(sums, width, height, scale, shift, output);
  say("patches_to_pixels", output, sizeof output);
  kernels->affine_map(feature, 100, sums, shift, channels, output);
  say("affine_map", output, channels * sizeof *output);
  free(pixels), free(scratch), free(scale), free(shift);
}

int main(void) {
  imaging();
  integers();
  predictor();
  style();
}
