import CStyleKernels
import Testing

@Suite struct ReductionTests {
  @Test("the largest of several rows, wherever they lie", arguments: KernelPath.all)
  func maximum(path: KernelPath) {
    for depth in 1...10 {
      for vectors in 1...4 {
        var numbers = Numbers(seed: UInt64(10 * depth + vectors))
        let count = vectors * path.vector
        let input = GuardedFloats(numbers.list(3 * count), misalignment: depth % 4)
        let offsets = (0..<depth).map { _ in numbers.index(below: 2 * count + 1) }
        let output = GuardedFloats(zeros: count, misalignment: vectors % 3)
        path.kernels.maximum_f32(input.start, offsets, depth, count, output.start)
        #expect(output.isUntouchedOutside)
        for q in 0..<count { #expect(output.start[q] == offsets.map { input.start[$0 + q] }.max()) }
      }
    }
  }

  @Test("sums and sums of squares, added to what was there", arguments: KernelPath.all)
  func moments(path: KernelPath) {
    for count in 0...200 {
      var numbers = Numbers(seed: UInt64(count))
      let contents = numbers.list(count)
      let input = GuardedFloats(contents, misalignment: count % 5)
      let before = (3.5, -1.25)
      let results = (0..<2).map { _ in
        var sums = [before.0, before.1]
        path.kernels.add_moments_f32(input.start, count, &sums)
        return sums
      }
      #expect(results[0] == results[1])
      // Each of the sums side by side has count / vector terms; a square is rounded once more.
      let terms = Double(count / path.vector + path.vector + 2)
      for (index, power) in [1, 2].enumerated() {
        let exact = contents.reduce(index == 0 ? before.0 : before.1) {
          $0 + (power == 1 ? Double($1) : Double($1) * Double($1))
        }
        let size = contents.reduce(0) { $0 + abs(power == 1 ? Double($1) : Double($1) * Double($1)) }
        #expect(abs(results[0][index] - exact) <= terms * unitRoundoff * size + 1e-12)
      }
    }
  }
}
