/// The vector instructions that a stream's bits depend on.
///
/// With style networks that do not compute in whole numbers, the bits of a stylized view are the same for one of them. Between two,
/// single values leave the network one level (of 255) apart, and colour jitter may make that a few levels.
package enum RingCPUPath: UInt32, Sendable, CaseIterable {
  /// The stream is the same on all of them, or its producer does not say.
  case any = 0
  /// No vector instructions beyond those that every processor has.
  case portable = 1
  /// AVX2 with FMA.
  case avx2 = 2
  /// AVX-512.
  case avx512 = 3

  /// The path that is called `name`: `portable`, `avx2` or `avx512`; every other name is any.
  package init(named name: String) { self = Self.allCases.first { $0.name == name } ?? .any }

  /// The path's name, as `SASSL_CPU` and status spell it.
  package var name: String { String(describing: self) }
}
