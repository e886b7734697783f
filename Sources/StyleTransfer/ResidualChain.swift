/// `x + second(first(x))`.
package struct ResidualBlock: Sendable {
  /// With normalisation and ReLU.
  let first: Convolution
  /// With normalisation, no activation.
  let second: Convolution
}

/// A pattern in a transformer's layers: convolutions to the features of residual blocks, the blocks, and convolutions from there.
package protocol ResidualChain: Sendable {
  /// Down to what the residual blocks read.
  var contract: [Convolution] { get }
  /// In order.
  var residual: [ResidualBlock] { get }
  /// From what the residual blocks leave.
  var expand: [Convolution] { get }
}

extension ResidualChain {
  /// Every convolution in order.
  var convolutions: [Convolution] { contract + residual.flatMap { [$0.first, $0.second] } + expand }

  /// Channels after each convolution outside of the residual blocks but the last.
  package var widths: [Int] { (contract + expand.dropLast()).map(\.outputChannels) }
  /// Number of residual blocks.
  package var residualBlocks: Int { residual.count }
}
