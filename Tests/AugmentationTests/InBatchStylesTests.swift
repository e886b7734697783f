import Augmentation
import Testing

@Suite("In-batch styles")
struct InBatchStylesTests {
  @Test("everybody takes one style from somebody else, and everybody lends one", arguments: 2...64)
  func derangement(count: Int) {
    for group in 0..<20 {
      let lenders = InBatchStyles(seed: 3, epoch: 1, group: UInt64(group), count: count).lenders
      #expect(lenders.sorted() == Array(0..<count))
      #expect(lenders.enumerated().allSatisfy { $0.offset != $0.element })
    }
  }

  @Test("a group of one has itself")
  func single() {
    #expect(InBatchStyles(seed: 3, epoch: 1, group: 0, count: 1).lenders == [0])
  }

  @Test("each of the others lends equally often")
  func uniformity() {
    let groups = 24_000
    var lends = [[Int]](repeating: [Int](repeating: 0, count: 7), count: 7)
    for group in 0..<groups {
      let lenders = InBatchStyles(seed: 8, epoch: 0, group: UInt64(group), count: 7).lenders
      for (borrower, lender) in lenders.enumerated() { lends[borrower][lender] += 1 }
    }
    let expected = Double(groups) / 6
    for borrower in 0..<7 {
      for lender in 0..<7 where lender != borrower {
        // Four standard errors.
        #expect(abs(Double(lends[borrower][lender]) - expected) < 4 * (expected * 5 / 6).squareRoot())
      }
    }
  }

  @Test("seed, epoch and group each matter")
  func keys() {
    func lenders(_ seed: UInt64, _ epoch: UInt64, _ group: UInt64) -> [Int] {
      InBatchStyles(seed: seed, epoch: epoch, group: group, count: 32).lenders
    }
    #expect(lenders(1, 2, 3) == lenders(1, 2, 3))
    #expect(Set([lenders(1, 2, 3), lenders(9, 2, 3), lenders(1, 9, 3), lenders(1, 2, 9)]).count == 4)
  }
}
