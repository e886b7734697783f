/// A block of MobileNetV2: widen, filter each channel, narrow.
struct InvertedResidual: Sendable {
  /// 1x1; nil when the expansion is 1.
  let expand: Convolution?
  /// 3x3, with the block's stride.
  let depthwise: Convolution
  /// 1x1, no activation.
  let project: Convolution
  /// The block's input is added to its output.
  let addsInput: Bool
}

/// The pattern in a predictor's layers that ``FastPredictor`` runs in bands: a strided convolution, inverted residual blocks
/// and a last 1x1 convolution, as MobileNetV2 has them.
struct InvertedResidualChain: Sendable {
  /// Width and height of the picture.
  let side: Int
  /// 3x3, stride 2.
  let stem: Convolution
  /// In order.
  let blocks: [InvertedResidual]
  /// 1x1, before the mean over the picture.
  let head: Convolution
  /// From the means to z.
  let embedding: AffineMap

  /// Nil when the layers have another form.
  init?(_ plan: PredictorPlan) {
    var walk = LayerWalk(plan.graph)
    guard let stem = walk.convolution(where: { $0.isStrided && !$0.isDepthwise }) else { return nil }
    // Every strided convolution pads nothing before and one after, which fits even sides alone.
    var current = plan.side
    guard current % 2 == 0 else { return nil }
    current /= 2
    var blocks: [InvertedResidual] = []
    while walk.remaining > 1 {
      let input = walk.position
      let expand = walk.convolution(where: { $0.isPointwise && $0.activation != .identity })
      guard let depthwise = walk.convolution(where: { $0.isDepthwise && ($0.isStrided || $0.isCentred) }),
        let project = walk.convolution(where: { $0.isPointwise && $0.activation == .identity })
      else { return nil }
      guard current % depthwise.stride == 0 else { return nil }
      current /= depthwise.stride
      let addsInput = walk.addition(of: input)
      blocks.append(InvertedResidual(expand: expand, depthwise: depthwise, project: project, addsInput: addsInput))
    }
    guard !blocks.isEmpty, let head = walk.convolution(where: { $0.isPointwise }), walk.remaining == 0 else {
      return nil
    }
    side = plan.side
    self.stem = stem
    self.blocks = blocks
    self.head = head
    embedding = plan.embedding
  }
}

extension Convolution {
  /// With a bias and a clamp behind it, as a matrix product applies them.
  private var isClamped: Bool { normalization == nil && activation != .sigmoid && upsampling == 1 }
  fileprivate var isPointwise: Bool {
    isClamped && hasKernel(1) && stride == 1 && !isDepthwise && window.padding == .none
  }
  fileprivate var isStrided: Bool { isClamped && hasKernel(3) && stride == 2 && window.padding == .afterOnly }
  fileprivate var isCentred: Bool { isClamped && hasKernel(3) && stride == 1 && window.padding == .all(1, .zeros) }
}
