// The integer kernels for AVX2.
#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define VL 8
#define WIDE 16
#define DOT(s, a, b) ((ivec)_mm256_add_epi32((__m256i)(s), _mm256_madd_epi16((__m256i)(a), (__m256i)(b))))
#define ROWS_BY_2 4
#define ROWS_BY_3 3
#define TABLE style_integer_kernels_avx2
#define NAME "avx2"
#include "integer_kernels.inc"
#pragma clang attribute pop
#endif
