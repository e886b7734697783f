import CStyleKernels

/// The shapes of tile that the kernels have: 4x4 outputs, 4 apart. The raw value is the side of the kernel.
package enum WinogradShape: Int {
  /// 25 multiplications instead of 64.
  case fourByTwo = 2
  /// 36 instead of 144.
  case fourByThree = 3
  /// 64 instead of 400. Larger kernels are cut into blocks that read tiles a whole number of tiles away, so that the input is
  /// transformed only once: a kernel of 9x9 is four blocks.
  case fourByFive = 5

  /// Outputs of a tile along one axis, and how far tiles are apart.
  package static let step = 4
  /// Taps along one axis.
  package var taps: Int { rawValue }
  /// Points along one axis.
  package var alpha: Int { Self.step + taps - 1 }

  var kernel: style_winograd { style_winograd(UInt32(rawValue)) }

  private var points: [Double] {
    switch self {
    case .fourByTwo: [0, 1, -1, 2]
    case .fourByThree: [0, 1, -1, 2, -2]
    case .fourByFive: [0, 1, -1, 2, -2, 0.5, -0.5]
    }
  }

  /// The matrix G, `[alpha][taps]`: the kernel's polynomial at each point, over the product of the point's distances to the
  /// others; the last point is infinity.
  var weightMatrix: [[Double]] {
    let points = points
    return points.indices.map { index in
      let point = points[index]
      let scale = points.indices.reduce(1.0) { $1 == index ? $0 : $0 * (point - points[$1]) }
      return (0..<taps).map { tap in (0..<tap).reduce(1.0) { power, _ in power * point } / scale }
    } + [(0..<taps).map { $0 == taps - 1 ? 1 : 0 }]
  }
}

/// A convolution with stride 1 in the Winograd domain: transform the input tiles, one matrix product for each point,
/// transform back.
package struct WinogradConvolution: Sendable {
  package let shape: WinogradShape
  package let inputChannels: Int
  package let outputChannels: Int
  /// Along one axis. Block b reads the tile b tiles away, so its taps begin at the kernel's tap 4 b.
  package let blocks: Int
  private let kernels: style_kernels
  /// For each point, packed rows `[output][input channel][block row][block column]`.
  private let weights: AlignedFloats

  /// Transformed inputs and products of one stretch of tiles should stay in the second-level cache.
  private static let cachedFloats = 96 * 1024

  /// - Parameters:
  ///   - weight: `[output][input][side][side]` with `side = blocks * taps`, the taps of one block after those of the other.
  package init(
    _ shape: WinogradShape, inputChannels: Int, outputChannels: Int, blocks: Int = 1, weight: [Double],
    kernels: style_kernels
  ) {
    let side = blocks * shape.taps
    precondition(weight.count == outputChannels * inputChannels * side * side)
    self.shape = shape
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.blocks = blocks
    self.kernels = kernels
    let alpha = shape.alpha
    let taps = shape.taps
    let depth = inputChannels * blocks * blocks
    let matrix = shape.weightMatrix
    weights = AlignedFloats(count: alpha * alpha * outputChannels * depth) { packed in
      var points = [Float](repeating: 0, count: alpha * alpha * outputChannels * depth)
      var half = [Double](repeating: 0, count: alpha * taps)
      for row in 0..<outputChannels * inputChannels {
        for block in 0..<blocks * blocks {
          let corner = (row * side + block / blocks * taps) * side + block % blocks * taps
          for xi in 0..<alpha {
            for column in 0..<taps {
              half[xi * taps + column] = (0..<taps).reduce(0) {
                $0 + matrix[xi][$1] * weight[corner + $1 * side + column]
              }
            }
          }
          for xi in 0..<alpha {
            for nu in 0..<alpha {
              let value = (0..<taps).reduce(0) { $0 + half[xi * taps + $1] * matrix[nu][$1] }
              points[(xi * alpha + nu) * outputChannels * depth + row * blocks * blocks + block] = Float(value)
            }
          }
        }
      }
      points.withUnsafeBufferPointer { points in
        for point in 0..<alpha * alpha {
          let offset = point * outputChannels * depth
          kernels.pack_rows_f32(points.baseAddress! + offset, outputChannels, depth, packed + offset)
        }
      }
    }
  }

  /// Sums for a normalisation are added up in single precision over this many slots, then in double precision: another
  /// number gives other last bits.
  private func piece(rowStride: Int, slots: Int) -> Int {
    let vector = kernels.vector_length
    let points = shape.alpha * shape.alpha
    let cached = Self.cachedFloats / (points * (inputChannels + outputChannels))
    // Six vectors are what the product likes best; blocks of taps read rows of tiles beyond the stretch, whose transforms
    // are computed again in the next one, so that a stretch should be several rows long.
    let least = max(3 * vector, 4 * (blocks - 1) * rowStride)
    let wanted = roundUp(max(least, cached / (6 * vector) * 6 * vector), toMultipleOf: 3 * vector)
    return min(wanted, roundUp(slots, toMultipleOf: vector))
  }

  /// Tiles are processed in stretches of this many slots: whole pieces. Three vectors of eight are too few, because the
  /// product takes two of them at a time.
  private func stretch(rowStride: Int, slots: Int) -> Int {
    let piece = piece(rowStride: rowStride, slots: slots)
    return min(roundUp(Self.leastStretch, toMultipleOf: piece), roundUp(slots, toMultipleOf: kernels.vector_length))
  }

  private static let leastStretch = 48

  private func transformedSlots(stretch: Int, rowStride: Int) -> Int {
    roundUp(stretch + (blocks - 1) * (rowStride + 1), toMultipleOf: kernels.vector_length)
  }

  /// Slots of an output plane: whole vectors.
  package func outputSlots(_ layout: PhaseLayout, tileRows: Int) -> Int {
    roundUp(tileRows * layout.rowStride, toMultipleOf: kernels.vector_length)
  }

  /// Floats of scratch memory.
  package func scratchFloats(_ layout: PhaseLayout, tileRows: Int) -> Int {
    let stretch = stretch(rowStride: layout.rowStride, slots: outputSlots(layout, tileRows: tileRows))
    let transformed = transformedSlots(stretch: stretch, rowStride: layout.rowStride)
    return shape.alpha * shape.alpha
      * (PhaseLayout.oddCacheLines(inputChannels * transformed) + PhaseLayout.oddCacheLines(outputChannels * stretch))
  }

  /// Convolves.
  ///
  /// - Parameters:
  ///   - input: phase planes of `layout`, whose step is the shape's.
  ///   - tileRows: rows of tiles to compute; columns are all of a row's slots.
  ///   - output: `[output][step * step][planeStride]`.
  ///   - planeStride: at least ``outputSlots(_:tileRows:)``.
  ///   - masks: where there is a picture, `[maskSet][step * step][planeStride]`; output channel k uses set
  ///     `k / (outputChannels / maskSets)`. Nil when nobody wants sums.
  ///   - sums: sum and sum of squares of every output channel, added to.
  package func run(
    _ input: UnsafePointer<Float>, layout: PhaseLayout, tileRows: Int, into output: UnsafeMutablePointer<Float>,
    planeStride: Int, masks: UnsafePointer<UInt32>?, maskSets: Int = 1, sums: UnsafeMutablePointer<Double>?,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let slots = outputSlots(layout, tileRows: tileRows)
    let stretch = stretch(rowStride: layout.rowStride, slots: slots)
    let piece = piece(rowStride: layout.rowStride, slots: slots)
    let alpha2 = shape.alpha * shape.alpha
    let step2 = WinogradShape.step * WinogradShape.step
    let depth = inputChannels * blocks * blocks
    precondition(layout.step == WinogradShape.step && planeStride >= slots)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: depth) { offsets in
      for first in Swift.stride(from: 0, to: slots, by: stretch) {
        let count = min(stretch, slots - first)
        let transformed = transformedSlots(stretch: count, rowStride: layout.rowStride)
        // The transforms walk all points of one channel at once.
        let inputStride = PhaseLayout.oddCacheLines(inputChannels * transformed)
        let productStride = PhaseLayout.oddCacheLines(outputChannels * count)
        let products = scratch + alpha2 * inputStride
        for channel in 0..<inputChannels {
          kernels.winograd_input_f32(
            shape.kernel, input + channel * layout.channelStride + first, layout.planeStride, layout.rowStride,
            transformed, scratch + channel * transformed, inputStride)
          for block in 0..<blocks * blocks {
            offsets[channel * blocks * blocks + block] =
              channel * transformed + block / blocks * layout.rowStride + block % blocks
          }
        }
        for point in 0..<alpha2 {
          kernels.gemm_f32(
            weights.start + point * outputChannels * depth, outputChannels, offsets.baseAddress!, depth,
            scratch + point * inputStride, count, products + point * productStride, count, nil)
        }
        for channel in 0..<outputChannels {
          let masks = masks.map { $0 + channel / (outputChannels / maskSets) * step2 * planeStride }
          for start in Swift.stride(from: 0, to: count, by: piece) {
            let slot = first + start
            kernels.winograd_output_f32(
              shape.kernel, products + channel * count + start, productStride, min(piece, count - start),
              output + channel * step2 * planeStride + slot, planeStride, masks.map { $0 + slot }, planeStride,
              sums.map { $0 + 2 * channel })
          }
        }
      }
    }
  }
}
