// The kernels for the compiler's baseline: vectors of 4 floats.
#define VL 4
#define LANES(F) F(0), F(1), F(2), F(3)
#define GEMM_REGISTERS 16
#define TABLE style_kernels_portable
#define PATH STYLE_PATH_PORTABLE
#define NAME "portable"
#include "kernels.inc"
