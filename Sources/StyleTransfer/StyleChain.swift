/// The pattern in a transformer's layers that `FastTransformer` runs as Winograd convolutions: the network of Ghiasi et al.,
/// its contraction normalised or not.
package struct StyleChain: ResidualChain {
  /// Three convolutions down to a quarter of each side.
  package let contract: [Convolution]
  /// At a quarter of each side.
  package let residual: [ResidualBlock]
  /// Two upsampling convolutions and the last one, to RGB.
  package let expand: [Convolution]

  /// Kernel sides of the first and the last convolution.
  package var endKernels: [Int] { [contract[0].window.rows, expand[2].window.rows] }

  /// Nil when the layers have another form.
  package init?(_ plan: TransformerPlan) {
    var walk = LayerWalk(plan.graph)
    var contract: [Convolution] = []
    for index in 0..<3 {
      guard
        let layer = walk.convolution(where: {
          $0.isMirrored && $0.upsampling == 1 && $0.activation == .relu && $0.normalization?.style == nil
            && (index == 0 ? $0.stride == 1 && $0.isEnd : $0.stride == 2 && $0.hasKernel(3))
        })
      else { return nil }
      contract.append(layer)
    }
    var residual: [ResidualBlock] = []
    while let block = walk.residualBlock(where: {
      $0.isMirrored && $0.hasKernel(3) && $0.stride == 1 && $0.upsampling == 1 && $0.normalization?.style != nil
    }) {
      residual.append(block)
    }
    var expand: [Convolution] = []
    for index in 0..<3 {
      guard
        let layer = walk.convolution(where: {
          $0.isMirrored && $0.stride == 1 && $0.normalization?.style != nil
            && (index == 2
              ? $0.upsampling == 1 && $0.isEnd && $0.activation == .sigmoid && $0.outputChannels == 3
              : $0.upsampling == 2 && $0.hasKernel(3) && $0.activation == .relu)
        })
      else { return nil }
      expand.append(layer)
    }
    guard walk.remaining == 0 else { return nil }
    self.contract = contract
    self.residual = residual
    self.expand = expand
  }
}

extension Convolution {
  /// Reads the picture mirrored by half its kernel, which is square and odd.
  fileprivate var isMirrored: Bool {
    !isDepthwise && window.rows % 2 == 1 && hasKernel(window.rows)
      && window.padding == .all(window.rows / 2, .mirrored)
  }
  /// At either end of the network: a kernel that is cut into blocks.
  fileprivate var isEnd: Bool { window.rows >= 3 }
}
