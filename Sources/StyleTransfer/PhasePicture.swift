import CStyleKernels

/// How a bordered picture lies in memory when its pixels are sorted by phase: row and column modulo `step`.
///
/// Every channel is `step * step` planes, one for each phase; within a plane, neighbouring tiles are neighbours in memory.
/// So a Winograd transform or a convolution with that stride reads whole vectors of tiles and never shuffles.
/// Rows and columns are counted from the border's first; what lies past the border's last is filled too, because vectors
/// of tiles reach there and every number that a result depends on must be the same each time.
///
/// A picture is written in two moves: first its own rows, from the top down, each in whole vectors that may run past the
/// row's end (into what is written later, or into spare room), then ``fillBorder(_:_:)``.
package struct PhaseLayout {
  /// What lies beyond the border of a picture.
  package enum Border {
    /// The picture mirrored at its border pixel, which is not repeated.
    case mirrored
    /// The border pixel.
    case repeated
    case zeros
  }

  /// Of the picture without border.
  package let width: Int
  /// Of the picture without border.
  package let height: Int
  /// Pixels of border on each side.
  package let border: Int
  /// 2 or 4.
  package let step: Int
  /// Slots from one row of tiles to the next.
  package let rowStride: Int
  /// Rows of tiles that are filled.
  package let rows: Int
  /// Floats from one phase to the next.
  package let planeStride: Int

  /// Room after each plane for what a row's last vectors write past its end.
  private static let spareFloats = 48

  /// - Parameters:
  ///   - tileColumns: tiles that windows begin at, in one row.
  ///   - tileRows: likewise, rows of them.
  package init(width: Int, height: Int, border: Int, step: Int, tileColumns: Int, tileRows: Int) {
    self.width = width
    self.height = height
    self.border = border
    self.step = step
    rowStride = max(tileColumns, dividedUp(width + 2 * border, by: step))
    // A window reaches into the next tile on both axes, and past the end of a row into the next row.
    rows = max(tileRows, dividedUp(height + 2 * border, by: step)) + 2
    planeStride = Self.oddCacheLines(rows * rowStride + Self.spareFloats)
  }

  package var channelStride: Int { step * step * planeStride }

  /// Floats for `channels` channels, with what the last vectors read past the end.
  package func count(channels: Int) -> Int { channels * channelStride + 2 * rowStride + 64 }

  /// Planes that are an odd number of cache lines apart do not compete for the same cache sets.
  package static func oddCacheLines(_ floats: Int) -> Int {
    let lines = dividedUp(floats, by: 16)
    return 16 * (lines % 2 == 0 ? lines + 1 : lines)
  }

  /// Where in a channel a row of the bordered picture begins: its phase 0.
  package func start(ofRow row: Int) -> Int { (row & (step - 1)) * step * planeStride + (row >> stepBits) * rowStride }

  /// Where in a row a column of the bordered picture lies.
  package func place(ofColumn column: Int) -> Int { (column & (step - 1)) * planeStride + (column >> stepBits) }

  /// Divisions by the step are shifts: they are made for every border pixel.
  private var stepBits: Int { step.trailingZeroBitCount }

  /// Gives a channel its border once the picture's own pixels are there, and fills what vectors reach beyond.
  package func fillBorder(_ channel: UnsafeMutablePointer<Float>, _ kind: Border) {
    let end = border + width
    let reach = step * rowStride
    withUnsafeTemporaryAllocation(of: (to: Int, from: Int).self, capacity: border + reach - end) { copies in
      for column in 0..<border {
        let source = kind == .repeated ? border : 2 * border - column
        copies[column] = (place(ofColumn: column), place(ofColumn: source))
      }
      for column in end..<reach {
        // Past the border anything will do that is always the same.
        let distance = min(column - end, max(border - 1, 0))
        let source = kind == .repeated ? end - 1 : end - 2 - distance
        copies[border + column - end] = (place(ofColumn: column), place(ofColumn: source))
      }
      for row in border..<border + height {
        let line = channel + start(ofRow: row)
        if kind == .zeros {
          for copy in copies { line[copy.to] = 0 }
        } else {
          for copy in copies { line[copy.to] = line[copy.from] }
        }
      }
    }
    let bottom = border + height
    for row in 0..<border {
      copyRow(kind == .repeated ? border : 2 * border - row, to: row, in: channel, isZero: kind == .zeros)
    }
    for row in bottom..<step * rows {
      let distance = min(row - bottom, max(border - 1, 0))
      copyRow(kind == .repeated ? bottom - 1 : bottom - 2 - distance, to: row, in: channel, isZero: kind == .zeros)
    }
  }

  private func copyRow(_ source: Int, to row: Int, in channel: UnsafeMutablePointer<Float>, isZero: Bool) {
    let to = channel + start(ofRow: row)
    for phase in 0..<step {
      if isZero {
        (to + phase * planeStride).update(repeating: 0, count: rowStride)
      } else {
        (to + phase * planeStride).update(
          from: channel + start(ofRow: source) + phase * planeStride, count: rowStride)
      }
    }
  }

  /// Writes a row of the picture whose pixels lie side by side.
  ///
  /// - Parameters:
  ///   - line: the pixels; the `border` floats before them and some vectors after them are read, and do not matter.
  ///   - row: counted from the border's first.
  package func write(
    _ line: UnsafePointer<Float>, row: Int, channel: UnsafeMutablePointer<Float>, kernels: style_kernels
  ) {
    let count = dividedUp(border + width, by: step)
    let destination = channel + start(ofRow: row)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: step) { offsets in
      for phase in 0..<step { offsets[phase] = phase * planeStride }
      if step == 2 {
        kernels.deinterleave2_f32(line - border, count, destination, offsets.baseAddress!)
      } else {
        kernels.deinterleave4_f32(line - border, count, destination, offsets.baseAddress!)
      }
    }
  }

  /// Writes a row of the picture that is itself split by phase: position `phases.count * t + k` of the source row is element
  /// t of phase k. What is written is `max(0, scale x + shift)`.
  ///
  /// - Parameters:
  ///   - source: phase 0.
  ///   - phases: distance of each phase from phase 0; twice as many as `step`.
  ///   - count: elements of each phase.
  ///   - first: the column, counted from the border's first, that position 0 belongs in.
  ///   - row: counted from the border's first.
  package func write(
    phasesOf source: UnsafePointer<Float>, _ phases: UnsafeBufferPointer<Int>, count: Int, firstColumn first: Int,
    scale: Float, shift: Float, row: Int, channel: UnsafeMutablePointer<Float>, kernels: style_kernels
  ) {
    precondition(phases.count == 2 * step)
    let destination = channel + start(ofRow: row)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 2) { pair in
      // Two phases of the source, a step apart, are the even and the odd elements of one phase here.
      for phase in 0..<step {
        pair[0] = phases[phase]
        pair[1] = phases[phase + step]
        kernels.interleave2_f32(
          source, pair.baseAddress!, count, scale, shift, 0, destination + place(ofColumn: first + phase))
      }
    }
  }
}
