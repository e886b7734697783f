// Vector kernels of the style networks.
//
// Every kernel exists once in source (kernels.inc) and three times in the library: for AVX-512, for AVX2 with FMA, and
// portably for the compiler's baseline. `style_kernels_selected` picks the widest that the CPU has, once; the environment
// variable SASSL_CPU=avx512|avx2|portable overrides it.
//
// Words used below.
//   plane      floats in memory of one channel (or one phase of one channel).
//   phase      of a picture split with step m (2 or 4): the pixels whose row is i and whose column is j modulo m, in a plane
//              of their own. Neighbouring tiles of a Winograd convolution are then neighbours in memory, so that no
//              transform ever shuffles. Phase (i, j) is plane number i * m + j.
//   slot       a place in a phase plane: row * stride + column, in units of tiles.
//   q, count   slots are processed as one flat range, rows and their padding alike, in whole vectors: `count` must be a
//              multiple of `vector_length`, and kernels read and write exactly `count` slots of each plane they are given
//              (plus what is stated with the kernel), never more.
//   ξ (xi)     a point of the Winograd domain; α x α of them for a tile of α x α inputs.
//
// Any float address aligned to 4 bytes is fine; 64-byte alignment is faster. Pointers that are written never overlap
// pointers that are read unless said so. Within one path the results are bit-for-bit a function of the arguments.
// Preconditions are asserted (NDEBUG removes the checks).
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Families of vector instructions.
typedef enum { STYLE_PATH_PORTABLE = 0, STYLE_PATH_AVX2 = 1, STYLE_PATH_AVX512 = 2 } style_path;

/// What `gemm_f32` does to a sum before it stores it: `min(high, max(low, sum + bias[row])) + residual`.
typedef struct {
  /// One number for each row, or NULL for zeros.
  const float *bias;
  /// Same shape and row stride as the output (it may be the output), or NULL for zeros.
  const float *residual;
  /// -INFINITY and INFINITY clamp nothing.
  float low, high;
} style_epilogue;

/// Shapes of a Winograd convolution: tiles of 4x4 outputs, 4 apart. A kernel that is larger than its shape's is a sum over
/// tiles that lie a whole number of tiles away.
typedef enum {
  /// F(4x4, 2x2): α = 5, points 0, ±1, 2, ∞.
  STYLE_WINOGRAD_4_2 = 2,
  /// F(4x4, 3x3): α = 6, points 0, ±1, ±2, ∞.
  STYLE_WINOGRAD_4_3 = 3,
  /// F(4x4, 5x5): α = 8, points 0, ±1, ±2, ±1/2, ∞.
  STYLE_WINOGRAD_4_5 = 5,
} style_winograd;

#if defined(__clang__)
/// Constant for the life of the process, so Swift may share it between threads.
#define STYLE_SHARED __attribute__((swift_attr("@Sendable")))
#else
#define STYLE_SHARED
#endif

/// The kernels of one path.
typedef struct STYLE_SHARED {
  style_path path;
  /// "avx512", "avx2" or "portable".
  const char *name;
  /// Floats in a vector: 16, 8 or 4.
  size_t vector_length;

  /// Arranges a `[outputs][depth]` matrix for `gemm_f32` into `outputs * depth` floats.
  void (*pack_rows_f32)(const float *matrix, size_t outputs, size_t depth, float *packed);

  /// `output[r * output_stride + q] = epilogue(sum over d of matrix[r][d] * input[offsets[d] + q])`, q < count.
  ///
  /// Where each of the `depth` input rows lies is free, so that one kernel is a matrix product, the middle of a Winograd
  /// convolution and any direct convolution on phase planes. Sums are fused multiply-adds in the order of d (separate
  /// multiplications and additions on CPUs without FMA). `epilogue` NULL stores the sum.
  void (*gemm_f32)(
      const float *packed, size_t outputs, const ptrdiff_t *offsets, size_t depth, const float *input, size_t count,
      float *output, size_t output_stride, const style_epilogue *epilogue);

  /// `gemm_f32` with one rounding for each multiplication and addition also on CPUs without FMA, where it is several times as slow: the
  /// same bits on every path.
  void (*gemm_fused_f32)(
      const float *packed, size_t outputs, const ptrdiff_t *offsets, size_t depth, const float *input, size_t count,
      float *output, size_t output_stride, const style_epilogue *epilogue);

  /// Bᵀ d B of every tile of one channel: `points[xi * point_stride + q]`, where element (i, j) of tile q is
  /// `input[(i % 4 * 4 + j % 4) * plane_stride + q + i / 4 * row_stride + j / 4]`. So planes are read up to slot
  /// count + row_stride.
  void (*winograd_input_f32)(
      style_winograd shape, const float *input, size_t plane_stride, size_t row_stride, size_t count, float *points,
      size_t point_stride);

  /// Aᵀ M A of every tile of one channel into the 4 x 4 phase planes of its output:
  /// `output[(i * 4 + j) * plane_stride + q]`. With `masks` (all ones or zero, `masks[(i * 4 + j) * mask_stride + q]`)
  /// the sum and the sum of squares of the outputs under the mask are added to `sums[0]` and `sums[1]`; what lies outside
  /// the mask may be anything, also not a number.
  void (*winograd_output_f32)(
      style_winograd shape, const float *points, size_t point_stride, size_t count, float *output, size_t plane_stride,
      const uint32_t *masks, size_t mask_stride, double *sums);

  /// 3x3 convolution of one channel with stride 1, its rows as one flat range of rows * row_stride: output q sees, in each of
  /// the rows that begin at `input`, `input + row_stride` and `input + 2 * row_stride`, the elements q - 1, q and q + 1.
  /// `left[q]` is zero where there is nothing to the left (q is the first of its row) and all ones elsewhere, `right[q]`
  /// likewise; both repeat from row to row, and are read up to rows * row_stride + `vector_length`. One element before
  /// `input` is read; reading and writing may go on for less than a vector (and, for the input, one element) past the last
  /// row. The sum with `bias` is clamped to low...high.
  void (*depthwise3_stride1_f32)(
      const float *input, size_t row_stride, size_t rows, const float *weights, const uint32_t *left,
      const uint32_t *right, float bias, float low, float high, float *output);

  /// One row of a 3x3 convolution of one channel with stride 2: output x sees the elements 2 x, 2 x + 1 and, unless
  /// `right[x]` is zero, 2 x + 2 of three rows. Any count; `right` is read, the output is written, and each input row is
  /// read in whole vectors: with n = count rounded up to `vector_length`, n masks, n outputs and 2 n + 2 inputs.
  void (*depthwise3_stride2_f32)(
      const float *input, size_t row_stride, size_t count, const float *weights, const uint32_t *right, float bias,
      float low, float high, float *output);

  /// `output[r] = scale * sum of input[r * row_stride + i]`, i < count, any count; in the same order on every path.
  void (*sum_rows_f32)(
      const float *input, size_t rows, size_t row_stride, size_t count, float scale, float *output);

  /// `output[q] = max over d < depth of input[offsets[d] + q]`, q < count, a multiple of `vector_length`; depth at least 1.
  void (*maximum_f32)(const float *input, const ptrdiff_t *offsets, size_t depth, size_t count, float *output);

  /// Adds the sum of `input[i]`, i < count, to `sums[0]` and that of their squares to `sums[1]`, any count. Within a call
  /// numbers are added up in single precision, `vector_length` sums side by side: call it once for each row of a picture.
  void (*add_moments_f32)(const float *input, size_t count, double *sums);

  /// `output[i] = max(low, scale * input[i] + shift)`, any count; input may be output.
  void (*affine_f32)(const float *input, size_t count, float scale, float shift, float low, float *output);

  /// `output[i] += scale * input[i] + shift`, any count.
  void (*add_affine_f32)(const float *input, size_t count, float scale, float shift, float *output);

  /// `output[2 * t + j] = max(low, scale * input[offsets[j] + t] + shift)`, t < count, j < 2. Whole vectors are read and
  /// written: with n = count rounded up to `vector_length`, n inputs and 2 n outputs.
  void (*interleave2_f32)(
      const float *input, const ptrdiff_t *offsets, size_t count, float scale, float shift, float low, float *output);

  /// The same with four rows.
  void (*interleave4_f32)(
      const float *input, const ptrdiff_t *offsets, size_t count, float scale, float shift, float low, float *output);

  /// `output[offsets[j] + t] = input[2 * t + j]`, t < count, j < 2. Whole vectors are read and written: with n = count
  /// rounded up to `vector_length`, 2 n inputs and n outputs at each offset, in the order of t.
  void (*deinterleave2_f32)(const float *input, size_t count, float *output, const ptrdiff_t *offsets);

  /// The same with four rows.
  void (*deinterleave4_f32)(const float *input, size_t count, float *output, const ptrdiff_t *offsets);

  /// Three rows of floats in 0...1 from `count` RGB pixels: `rows[c][x] = pixels[3 x + c] / 255`, correctly rounded.
  void (*pixels_to_rows_f32)(const uint8_t *pixels, size_t count, float *red, float *green, float *blue);

  /// `output[3 x + c] = 1 / (1 + exp(-rows[c][x]))`, within 2e-7 of the true value.
  void (*sigmoid_rows_to_pixels_f32)(
      const float *red, const float *green, const float *blue, size_t count, float *output);

  /// `pixels[i] = (1 - beta) * pixels[i] + beta * 255 * stylized[i]`, rounded to the nearest of 0...255, any count, on every path the same; what is not
  /// a number gives 0.
  void (*blend_bytes_f32)(const float *stylized, size_t count, float beta, uint8_t *pixels);
} style_kernels;

/// The kernels of a path, or NULL when this CPU cannot run them.
const style_kernels *style_kernels_for(style_path path);

/// The kernels that this process uses: the widest that the CPU has, or what SASSL_CPU names. Chosen once. A name that is
/// unknown, or a path that this CPU lacks, is reported once on standard error and then ignored.
const style_kernels *style_kernels_selected(void);

#ifdef __cplusplus
}
#endif
