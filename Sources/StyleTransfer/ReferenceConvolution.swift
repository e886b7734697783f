import COpenBLAS

/// A picture between two layers: one plane of floats for each channel.
struct Planes {
  let values: UnsafeMutablePointer<Float>
  let channels: Int
  let width: Int
  let height: Int

  var shape: PictureShape { PictureShape(channels: channels, width: width, height: height) }
  var planeCount: Int { width * height }
  var count: Int { channels * planeCount }
  func plane(_ channel: Int) -> UnsafeMutablePointer<Float> { values + channel * planeCount }
}

/// Convolution by the book: the neighbourhoods of all output pixels become the columns of a matrix (im2col), and one matrix
/// product per band of rows does the rest.
struct ReferenceConvolution {
  /// Columns are made for as many rows at a time as fit into this many floats, 1 MB: a band stays in the cache, and the
  /// memory does not grow with the picture.
  static let bandFloats = 1 << 18

  let layer: Convolution

  /// Floats of scratch memory for an input of this size.
  func scratchFloats(outputWidth: Int) -> Int {
    max(Self.bandFloats, depth * outputWidth) + columnMapCount(outputWidth)
  }

  /// Convolution and bias. What follows, normalisation and activation, is the caller's.
  ///
  /// - Parameters:
  ///   - input: what the layer reads.
  ///   - values: receives the output; does not overlap the input.
  ///   - scratch: as many floats as ``scratchFloats(outputWidth:)`` says.
  /// - Returns: the output.
  func run(_ input: Planes, into values: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) -> Planes {
    precondition(input.channels == layer.inputChannels)
    let size = layer.window.output(width: input.width * layer.upsampling, height: input.height * layer.upsampling)
    let output = Planes(
      values: values, channels: layer.outputChannels,
      width: size.width, height: size.height)
    for channel in 0..<output.channels {
      output.plane(channel).update(repeating: layer.bias?[channel] ?? 0, count: output.planeCount)
    }
    if layer.isDepthwise {
      accumulateDepthwise(input, into: output)
    } else if layer.hasKernel(1) && layer.stride == 1 && layer.window.padding == .none && layer.upsampling == 1 {
      multiply(input.values, pixels: input.planeCount, into: output.values, stride: output.planeCount)
    } else {
      accumulateBands(input, into: output, scratch: scratch)
    }
    return output
  }

  /// Rows of the column matrix: one for each number that an output pixel depends on.
  private var depth: Int { layer.inputChannels * layer.window.rows * layer.window.columns }

  /// Int32 entries share the scratch memory with floats of the same size.
  private func columnMapCount(_ outputWidth: Int) -> Int { layer.window.columns * outputWidth }

  /// Where tap `tap` of output position `position` reads, along one axis; nil beyond a border of zeros.
  private func source(of position: Int, tap: Int, before: Int, inputSide: Int) -> Int? {
    let side = inputSide * layer.upsampling
    var index = position * layer.stride + tap - before
    if index < 0 || index >= side {
      guard layer.window.padding.border == .mirrored else { return nil }
      index = index < 0 ? -index : 2 * (side - 1) - index
    }
    return index / layer.upsampling
  }

  private func sourceRow(of row: Int, tap: Int, in input: Planes) -> Int? {
    source(of: row, tap: tap, before: layer.window.padding.top, inputSide: input.height)
  }

  private func sourceColumn(of column: Int, tap: Int, in input: Planes) -> Int? {
    source(of: column, tap: tap, before: layer.window.padding.left, inputSide: input.width)
  }

  private func accumulateBands(_ input: Planes, into output: Planes, scratch: UnsafeMutablePointer<Float>) {
    let window = layer.window
    let mapCount = columnMapCount(output.width)
    let columns = scratch + mapCount
    scratch.withMemoryRebound(to: Int32.self, capacity: mapCount) { map in
      for tap in 0..<window.columns {
        for column in 0..<output.width {
          map[tap * output.width + column] = Int32(sourceColumn(of: column, tap: tap, in: input) ?? -1)
        }
      }
      let band = max(1, Self.bandFloats / (depth * output.width))
      for first in stride(from: 0, to: output.height, by: band) {
        let rows = min(band, output.height - first)
        var destination = columns
        for channel in 0..<input.channels {
          for rowTap in 0..<window.rows {
            for columnTap in 0..<window.columns {
              for row in first..<first + rows {
                if let sourceRow = sourceRow(of: row, tap: rowTap, in: input) {
                  let line = input.plane(channel) + sourceRow * input.width
                  let lineMap = map + columnTap * output.width
                  for column in 0..<output.width {
                    let index = Int(lineMap[column])
                    destination[column] = index >= 0 ? line[index] : 0
                  }
                } else {
                  destination.update(repeating: 0, count: output.width)
                }
                destination += output.width
              }
            }
          }
        }
        multiply(
          columns, pixels: rows * output.width, into: output.values + first * output.width, stride: output.planeCount)
      }
    }
  }

  /// `output += weight x columns`, where the planes of the output are `stride` floats apart.
  private func multiply(
    _ columns: UnsafePointer<Float>, pixels: Int, into output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    layer.weight.withUnsafeBufferPointer { weight in
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(layer.outputChannels), Int32(pixels), Int32(depth), 1,
        weight.baseAddress!, Int32(depth), columns, Int32(pixels), 1, output, Int32(stride))
    }
  }

  private func accumulateDepthwise(_ input: Planes, into output: Planes) {
    let window = layer.window
    for channel in 0..<output.channels {
      let plane = input.plane(channel)
      for rowTap in 0..<window.rows {
        for columnTap in 0..<window.columns {
          let weight = layer.weight[(channel * window.rows + rowTap) * window.columns + columnTap]
          for row in 0..<output.height {
            guard let sourceRow = sourceRow(of: row, tap: rowTap, in: input) else { continue }
            let destination = output.plane(channel) + row * output.width
            for column in 0..<output.width {
              guard let sourceColumn = sourceColumn(of: column, tap: columnTap, in: input) else { continue }
              destination[column] += weight * plane[sourceRow * input.width + sourceColumn]
            }
          }
        }
      }
    }
  }
}
