import Basics
import Foundation
import Testing

@Suite("Named threads")
struct NamedThreadTests {
  @Test("more threads than Dispatch has run at the same time")
  func threads() {
    let count = 200
    let condition = NSCondition()
    nonisolated(unsafe) var arrived = 0
    for number in 0..<count {
      let isStarted = NamedThread.start("test.\(number)") {
        condition.withLock {
          arrived += 1
          condition.broadcast()
          // Nobody leaves before everybody is there.
          while arrived < count { condition.wait() }
        }
      }
      #expect(isStarted)
    }
    let deadline = Date(timeIntervalSinceNow: 60)
    condition.withLock { while arrived < count && condition.wait(until: deadline) {} }
    #expect(condition.withLock { arrived } == count)
  }
}
