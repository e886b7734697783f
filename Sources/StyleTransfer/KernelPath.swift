import CStyleKernels

/// The family of vector instructions that the networks run on.
public enum KernelPath {
  /// `avx512`, `avx2` or `portable`: the widest that this CPU has, or what the environment variable SASSL_CPU names.
  public static var selected: String { String(cString: style_kernels_selected().pointee.name) }
}
