import CStyleKernels

/// How a bordered picture lies in memory when its pixels are sorted by phase: row and column modulo `step`.
///
/// Every channel is `step * step` planes, one for each phase; within a plane, neighbouring tiles are neighbours in memory.
/// So a Winograd transform or a convolution with that stride reads whole vectors of tiles and never shuffles.
/// Rows and columns are counted from the border's first; what lies past the border's last is filled too, because vectors
/// of tiles reach there and every number that a result depends on must be the same each time.
package struct PhaseLayout {
  /// Of the picture without border.
  package let width: Int
  package let height: Int
  /// Pixels of border on each side.
  package let border: Int
  package let step: Int
  /// Slots from one row of tiles to the next.
  package let rowStride: Int
  /// Rows of tiles that are filled.
  package let rows: Int
  /// Floats from one phase to the next.
  package let planeStride: Int

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
    planeStride = Self.oddCacheLines(rows * rowStride)
  }

  package var channelStride: Int { step * step * planeStride }
  /// Columns of one filled row.
  package var filledColumns: Int { step * rowStride }
  /// Floats for `channels` channels, with what the last vectors read past the end.
  package func count(channels: Int) -> Int { channels * channelStride + 2 * rowStride + 64 }

  /// Planes that are an odd number of cache lines apart do not compete for the same cache sets.
  package static func oddCacheLines(_ floats: Int) -> Int {
    let lines = dividedUp(floats, by: 16)
    return 16 * (lines % 2 == 0 ? lines + 1 : lines)
  }

  /// Where in the picture the bordered row or column `position` comes from: mirrored at the border pixel.
  package static func mirrored(_ position: Int, border: Int, side: Int) -> Int {
    let index = min(position, side + 2 * border - 1) - border
    return index < 0 ? -index : (index < side ? index : 2 * (side - 1) - index)
  }
}

/// Fills one row of a phase picture from a line of its columns in order.
package struct PhaseRowWriter {
  package let layout: PhaseLayout
  package let kernels: style_kernels
  package let output: UnsafeMutablePointer<Float>
  /// `filledColumns` floats and some: the caller fills columns `border ..< border + width`.
  package let line: UnsafeMutablePointer<Float>

  /// Floats that `line` needs; interleaving writes whole tiles of 8.
  package static func lineCount(_ layout: PhaseLayout) -> Int { roundUp(layout.filledColumns + 64, toMultipleOf: 16) }

  /// Completes the line by mirroring.
  package func mirrorBorder() {
    let first = line + layout.border
    let last = first + layout.width - 1
    for distance in 0..<layout.border {
      first[-1 - distance] = first[1 + distance]
      last[1 + distance] = last[-1 - distance]
    }
    fillRest()
  }

  /// Completes the line by repeating the picture's first and last column.
  package func repeatBorder() {
    let first = line + layout.border
    for distance in 1...layout.border { first[-distance] = first[0] }
    for distance in 0..<layout.border { first[layout.width + distance] = first[layout.width - 1] }
    fillRest()
  }

  private func fillRest() {
    let end = layout.width + 2 * layout.border
    if end < layout.filledColumns {
      (line + end).update(repeating: line[end - 1], count: layout.filledColumns - end)
    }
  }

  /// Writes the completed line as row `row` of a channel.
  package func write(row: Int, channel: Int) {
    let step = layout.step
    withUnsafeTemporaryAllocation(of: Int.self, capacity: step) { offsets in
      for phase in 0..<step { offsets[phase] = phase * layout.planeStride }
      let destination =
        output + channel * layout.channelStride + (row % step) * step * layout.planeStride
        + (row / step) * layout.rowStride
      kernels.deinterleave_f32(step, line, layout.rowStride, destination, offsets.baseAddress!)
    }
  }
}
