// The integer kernels for AVX-512.
#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))), apply_to = function)
#define VL 16
#define WIDE 32
#define DOT(s, a, b) ((ivec)_mm512_add_epi32((__m512i)(s), _mm512_madd_epi16((__m512i)(a), (__m512i)(b))))
#define ROWS_BY_2 8
#define ROWS_BY_3 6
#define TABLE style_integer_kernels_avx512
#define NAME "avx512"
#include "integer_kernels.inc"
#pragma clang attribute pop
#endif
