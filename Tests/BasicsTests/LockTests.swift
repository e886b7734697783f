import Basics
import Dispatch
import Testing

@Suite("Locks and conditions")
struct LockTests {
  @Test func nothingIsLostBetweenThreads() {
    let lock = Lock()
    nonisolated(unsafe) var count = 0
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      for _ in 0..<20_000 { lock.withLock { count += 1 } }
    }
    #expect(count == 80_000)
  }

  @Test func anErrorLetsGoOfTheLock() {
    struct Refusal: Error {}
    let lock = Lock()
    #expect(throws: Refusal.self) { try lock.withLock { throw Refusal() } }
    #expect(lock.withLock { 1 } == 1)
  }

  @Test func aWaitingThreadSeesWhatAnotherChanged() {
    let condition = Condition()
    nonisolated(unsafe) var turn = 0
    // Two threads that can only go on by turns.
    DispatchQueue.concurrentPerform(iterations: 2) { own in
      for _ in 0..<1000 {
        condition.withLock {
          while turn % 2 != own { condition.wait() }
          turn += 1
          condition.broadcast()
        }
      }
    }
    #expect(turn == 2000)
  }
}
