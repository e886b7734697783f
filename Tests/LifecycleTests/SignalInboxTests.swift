import Basics
import Foundation
import Testing

extension SignalTests {
  @Suite("The signal inbox")
  struct SignalInboxTests {
    @Test("gets every signal in order, whichever thread the kernel gives it to, and nothing else")
    func delivery() {
      // Signals whose default would end this process; the test runner's many threads know nothing of the inbox.
      let inbox = SignalInbox([SIGUSR1, SIGUSR2])
      #expect(inbox.wait(seconds: 0, nanoseconds: 0) == nil)
      for signal in [SIGUSR1, SIGUSR2, SIGUSR2, SIGUSR1] {
        inbox.post(signal)
        #expect(inbox.wait(seconds: 10, nanoseconds: 0) == signal)
      }
      #expect(inbox.wait(seconds: 0, nanoseconds: 0) == nil)
    }
  }
}
