/// Steps through layers that follow each other, so that none reads anything but what was taken last.
struct LayerWalk {
  private let layers: [LayerGraph.Layer]
  private var next = 0

  init(_ graph: LayerGraph) { layers = graph.layers }

  /// The picture that the next layer would read: the output of the last one taken.
  var position: Int { next }
  /// Layers not taken yet.
  var remaining: Int { layers.count - next }

  /// Takes the next layer if it is a convolution of the picture at ``position`` that the condition holds for.
  mutating func convolution(where condition: (Convolution) -> Bool) -> Convolution? {
    guard next < layers.count, layers[next].inputs == [position], let convolution = layers[next].convolution,
      condition(convolution)
    else { return nil }
    next += 1
    return convolution
  }

  /// Takes the next layer if it adds this picture to that at ``position``.
  mutating func addition(of picture: Int) -> Bool {
    guard next < layers.count, case .addition = layers[next].operation, picture != position,
      Set(layers[next].inputs) == [picture, position]
    else { return false }
    next += 1
    return true
  }

  /// Takes the next three layers if they are a residual block of two convolutions that the condition holds for.
  mutating func residualBlock(where condition: (Convolution) -> Bool) -> ResidualBlock? {
    var ahead = self
    guard let first = ahead.convolution(where: { condition($0) && $0.activation == .relu }),
      let second = ahead.convolution(where: { condition($0) && $0.activation == .identity }),
      // The blocks share the memory of one picture.
      first.outputChannels == first.inputChannels,
      ahead.addition(of: position)
    else { return nil }
    self = ahead
    return ResidualBlock(first: first, second: second)
  }

  /// Takes the next layer if it makes channels of squares of this side.
  mutating func spaceToDepth(_ side: Int) -> Bool {
    guard next < layers.count, layers[next].inputs == [position], case .spaceToDepth(side) = layers[next].operation
    else { return false }
    next += 1
    return true
  }

  /// Takes the next layer if it makes squares of this side of channels.
  mutating func depthToSpace(_ side: Int) -> Bool {
    guard next < layers.count, layers[next].inputs == [position], case .depthToSpace(side) = layers[next].operation
    else { return false }
    next += 1
    return true
  }
}
