// The kernels for the compiler's baseline: vectors of 4 floats.
#define VL 4
#define LANES(F) F(0), F(1), F(2), F(3)
#define GEMM_REGISTERS 16
#if defined(__aarch64__) || defined(__FMA__)
#define HAS_FMA 1
#else
#define HAS_FMA 0
#endif
#define TABLE style_kernels_portable
#define PATH STYLE_PATH_PORTABLE
#define NAME "portable"
#include "kernels.inc"
