import Foundation
import Pipeline
import Testing

@Suite("The work list")
struct WorkListTests {
  /// Counts how often each (position, stage) of a batch was handed out, and watches the order between stages.
  private final class Ledger: @unchecked Sendable {
    private let lock = NSLock()
    private var prepared: Set<Int> = []
    private var finished: Set<Int> = []
    private(set) var faults: [String] = []

    func took(_ position: Int, _ stage: WorkList<Int>.Stage, group: [Int]) {
      lock.withLock {
        switch stage {
        case .prepare:
          if !prepared.insert(position).inserted { faults.append("\(position) prepared twice") }
        case .finish:
          if !finished.insert(position).inserted { faults.append("\(position) finished twice") }
          if !prepared.isSuperset(of: group) { faults.append("\(position) finished before its group was prepared") }
        }
      }
    }

    func isWhole(_ count: Int) -> Bool { lock.withLock { prepared.count == count && finished.count == count } }
  }

  @Test("gives every sample's two stages exactly once, a group's finish after all of its prepares", arguments: 1...9)
  func everyStageOnce(count: Int) {
    for groupSize in 1...count {
      for workers in 1...3 {
        let list = WorkList<Int>()
        let ledgers = (0..<3).map { _ in Ledger() }
        for batch in 0..<3 { list.add(batch, count: count, groupSize: groupSize) }
        let completed = Mutexed<[Int]>([])
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
          while let ticket = list.next() {
            let first = ticket.position / groupSize * groupSize
            let group = Array(first..<min(first + groupSize, count))
            ledgers[ticket.batch].took(ticket.position, ticket.stage, group: group)
            // A sample is only prepared for its group once its ticket is back, so note it before completing.
            if list.complete(ticket) {
              completed.change { $0.append(ticket.batch) }
              // Whoever waits for work that nobody will add is sent home.
              if completed.value.count == ledgers.count { list.close() }
            }
          }
        }
        #expect(completed.value.sorted() == [0, 1, 2])
        #expect(ledgers.allSatisfy { $0.isWhole(count) && $0.faults.isEmpty })
      }
    }
  }

  @Test("hands out nothing more once it is closed, whatever is left, and takes back what is out")
  func closed() {
    let list = WorkList<String>()
    list.add("one", count: 1, groupSize: 1)
    list.add("two", count: 5, groupSize: 5)
    #expect(!list.complete(list.next()!))
    let last = list.next()!
    list.close()
    #expect(list.next()?.position == nil)
    // What was in hand may still complete its batch.
    #expect(last.stage == .finish && list.complete(last))
    #expect(list.next()?.position == nil)
  }

  @Test("works on the oldest batch first")
  func oldestFirst() {
    let list = WorkList<String>()
    list.add("old", count: 2, groupSize: 2)
    list.add("new", count: 1, groupSize: 1)
    let first = list.next()!
    let second = list.next()!
    let third = list.next()!
    #expect([first.batch, second.batch, third.batch] == ["old", "old", "new"])
    #expect(!list.complete(first))
    #expect(!list.complete(second))
    let fourth = list.next()!
    #expect(fourth.batch == "old" && fourth.stage == .finish)
  }
}

/// A value behind a lock, for collecting from several threads.
final class Mutexed<Value>: @unchecked Sendable {
  private let lock = NSLock()
  private var stored: Value
  init(_ value: Value) { stored = value }
  var value: Value { lock.withLock { stored } }
  func change(_ body: (inout Value) -> Void) { lock.withLock { body(&stored) } }
}
