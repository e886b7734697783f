import Basics
import Foundation
import Testing

/// Runs `body` on so many threads at once, with their numbers, and waits for all of them: a queue may have fewer.
private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let group = DispatchGroup()
  for number in 0..<count {
    group.enter()
    Thread.detachNewThread {
      body(number)
      group.leave()
    }
  }
  group.wait()
}

@Suite("Shared state")
struct MutexTests {
  @Test func nothingIsLostBetweenThreads() {
    let count = Mutex(0)
    onThreads(4) { _ in
      for _ in 0..<20_000 { count.withLock { $0 += 1 } }
    }
    #expect(count.withLock { $0 } == 80_000)
  }

  @Test func anErrorLetsGoOfTheLockAndKeepsWhatWasChanged() {
    struct Refusal: Error {}
    let count = Mutex(0)
    #expect(throws: Refusal.self) {
      try count.withLock {
        $0 = 1
        throw Refusal()
      }
    }
    #expect(count.withLock { $0 } == 1)
  }

  @Test func aWaitingThreadSeesWhatAnotherChanged() {
    let turn = Monitor(0)
    // Two threads that can only go on by turns.
    onThreads(2) { own in
      for _ in 0..<1000 {
        #expect(turn.wait { $0 % 2 == own ? own : nil } == own)
        turn.update { $0 += 1 }
      }
    }
    #expect(turn.withLock { $0 } == 2000)
  }

  @Test func everybodyWhoWaitsIsWoken() {
    let arrived = Monitor(0)
    // Each waits for all the others.
    onThreads(4) { _ in
      arrived.update { $0 += 1 }
      #expect(arrived.wait { $0 == 4 ? $0 : nil } == 4)
    }
  }

  @Test func aWaitWithALimitEnds() {
    let count = Monitor(0)
    #expect(count.wait(seconds: 0.01) { $0 > 0 ? $0 : nil } == nil)
    count.update { $0 = 7 }
    #expect(count.wait(seconds: 0) { $0 > 0 ? $0 : nil } == 7)
  }

  @Test func anErrorEndsAWait() {
    struct Refusal: Error {}
    let count = Monitor(0)
    #expect(throws: Refusal.self) { try count.wait { (_: inout Int) throws(Refusal) -> Int? in throw Refusal() } }
    #expect(count.withLock { $0 } == 0)
  }
}
