import CStyleKernels

/// The family of vector instructions that the networks run on.
package enum KernelPath {
  /// The environment variable that names a path other than the widest.
  package static let variable = "SASSL_CPU"

  /// `avx512`, `avx2` or `portable`: the widest that this CPU has, or what the environment variable SASSL_CPU names.
  package static var selected: String { String(cString: style_kernels_selected().pointee.name) }

  /// The paths that this CPU can run, the widest first.
  package static var available: [String] {
    [STYLE_PATH_AVX512, STYLE_PATH_AVX2, STYLE_PATH_PORTABLE].compactMap { path in
      style_kernels_for(path).map { String(cString: $0.pointee.name) }
    }
  }

  /// What is wrong with a value of SASSL_CPU, in a sentence; `nil` where it names a path that this CPU can run, or is not set.
  ///
  /// Whoever sets it wants the bits of that path, so another is no substitute.
  package static func problem(with wanted: String?) -> String? {
    guard let wanted, !wanted.isEmpty, !available.contains(wanted) else { return nil }
    let known = ["avx512", "avx2", "portable"]
    return known.contains(wanted)
      ? "\(variable) is '\(wanted)', but this processor has no such instructions: set it to \(words(available)), or unset it"
      : "\(variable) is '\(wanted)', but takes \(words(known)): set it to one that this processor has, or unset it"
  }

  private static func words(_ names: [String]) -> String {
    names.count < 2 ? names.joined() : names.dropLast().joined(separator: ", ") + " or " + names.last!
  }
}
