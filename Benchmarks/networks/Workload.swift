import Foundation
import StyleTransfer

/// Something to repeat on every thread: one network, one picture size.
struct Workload {
  enum Network: String, CaseIterable {
    case transformer
    case predictor
  }

  let model: StyleModel
  let network: Network
  /// Of the square picture.
  let side: Int
  let beta: Float = 0.25

  /// Multiply-accumulates of one picture, as the layers are defined.
  var macs: Int { network == .transformer ? model.macs(width: side, height: side) : model.predictorMACs ?? 0 }

  /// Runs on `threads` threads, one picture at a time on each, for `seconds`.
  func measure(threads: Int, seconds: Double) -> Measurement {
    let results = Results()
    let start = ContinuousClock.now
    let deadline = start + .seconds(seconds)
    DispatchQueue.concurrentPerform(iterations: threads) { _ in
      let workspace = StyleWorkspace()
      var state: UInt32 = 12345
      let pixels = (0..<side * side * 3).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(state >> 24)
      }
      let style = StyleEmbedding((0..<model.architecture.embedding).map { Float($0 % 7) * 0.3 - 0.9 })
      var embedding = style
      var output = [Float](repeating: 0, count: pixels.count)
      func once() {
        do {
          switch network {
          case .transformer:
            try model.stylize(
              pixels: pixels, width: side, height: side, embedding: style, beta: beta, into: &output,
              workspace: workspace)
          case .predictor: try model.embed(pixels: pixels, into: &embedding, workspace: workspace)
          }
        } catch {
          fatalError("\(error)")
        }
      }
      // The first pictures reserve memory and fault it in.
      for _ in 0..<3 { once() }
      let first = ContinuousClock.now
      let cpu = threadSeconds()
      var pictures = 0
      while ContinuousClock.now < deadline || pictures < 3 {
        once()
        pictures += 1
      }
      results.add(
        pictures: pictures, wall: first.duration(to: .now) / .seconds(1), cpu: threadSeconds() - cpu,
        scratch: workspace.byteCount)
    }
    return results.measurement
  }
}

/// What a run of a workload gave.
struct Measurement {
  /// All threads together.
  var imagesPerSecond = 0.0
  /// Of processor time, mean over the threads: what one core does when nobody else wants it.
  var imagesPerCoreSecond = 0.0
  /// Of each thread.
  var scratchBytes = 0
}

/// Gathers what the threads measured.
private final class Results: @unchecked Sendable {
  private let lock = NSLock()
  private var sum = Measurement()
  private var threads = 0.0

  func add(pictures: Int, wall: Double, cpu: Double, scratch: Int) {
    lock.withLock {
      sum.imagesPerSecond += Double(pictures) / wall
      sum.imagesPerCoreSecond += Double(pictures) / cpu
      sum.scratchBytes = scratch
      threads += 1
    }
  }

  var measurement: Measurement {
    lock.withLock {
      var mean = sum
      mean.imagesPerCoreSecond /= threads
      return mean
    }
  }
}

private func threadSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
