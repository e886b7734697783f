/// The pattern in a transformer's layers that `PatchTransformer` runs in whole numbers: patches of 4x4 pixels, 3x3 convolutions
/// with a bias, residual blocks, 3x3 convolutions with a style, and patches as pixels again.
package struct PatchChain: ResidualChain {
  /// Down to what the residual blocks read.
  package let contract: [Convolution]
  /// In order.
  package let residual: [ResidualBlock]
  /// From what the residual blocks leave to the numbers of the patches.
  package let expand: [Convolution]

  /// Nil when the layers have another form.
  package init?(_ plan: TransformerPlan) {
    var walk = LayerWalk(plan.graph)
    guard walk.spaceToDepth(PatchTransformer.side) else { return nil }
    var contract: [Convolution] = []
    while let layer = walk.convolution(where: { $0.fits && $0.normalization == nil && $0.activation == .relu }) {
      contract.append(layer)
    }
    guard !contract.isEmpty else { return nil }
    var residual: [ResidualBlock] = []
    while let block = walk.residualBlock(where: { $0.fits && $0.normalization?.style != nil }) {
      residual.append(block)
    }
    var expand: [Convolution] = []
    while true {
      let activation = walk.remaining == 2 ? Activation.sigmoid : .relu
      guard
        let layer = walk.convolution(where: {
          $0.fits && $0.normalization?.style != nil && $0.activation == activation
        })
      else { break }
      expand.append(layer)
    }
    guard !expand.isEmpty, walk.depthToSpace(PatchTransformer.side), walk.remaining == 0 else { return nil }
    self.contract = contract
    self.residual = residual
    self.expand = expand
  }
}

extension Convolution {
  /// What an ``IntegerConvolution`` computes.
  fileprivate var fits: Bool {
    !isDepthwise && hasKernel(3) && stride == 1 && upsampling == 1 && window.padding == .all(1, .mirrored)
      && [inputChannels, outputChannels].allSatisfy {
        $0 % IntegerConvolution.channelMultiple == 0 && $0 <= IntegerConvolution.mostChannels
      }
  }
}
