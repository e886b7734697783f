// The integer kernels for AVX-512 with the dot products of VNNI.
#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,avx512vnni"))), apply_to = function)
#define VL 16
#define WIDE 32
#define DOT(s, a, b) ((ivec)_mm512_dpwssd_epi32((__m512i)(s), (__m512i)(a), (__m512i)(b)))
#define ROWS_BY_2 8
#define ROWS_BY_3 6
#define TABLE style_integer_kernels_avx512vnni
#define NAME "avx512vnni"
#include "integer_kernels.inc"
#pragma clang attribute pop
#endif
