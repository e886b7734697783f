import Basics
import FoundationEssentials
import Glibc

/// What the workers do next, over all batches in work.
///
/// A batch goes through two stages. *Prepare* (decode, crop, embed) can run for all its samples at once. *Finish*
/// (stylize, augment) needs the embeddings of the whole style group, because the style of one sample is the content of
/// another; so the samples of a group become ready to finish together, when the last of them is prepared. Workers always
/// take the oldest batch's work, and finish before they prepare, so that batches become complete in order and few are open.
package final class WorkList<Batch: Sendable>: Sendable {
  /// What is to be done with one sample.
  package enum Stage: Sendable {
    case prepare
    case finish
  }

  /// One sample's stage, handed to one worker. Give it back with `complete(_:)`.
  package struct Ticket: Sendable {
    let serial: Int
    package let batch: Batch
    package let position: Int
    package let stage: Stage
  }

  /// Where a batch stands.
  private struct Entry {
    let serial: Int
    let batch: Batch
    let count: Int
    let groupSize: Int
    var nextToPrepare = 0
    var unpreparedInGroup: [Int]
    var readyToFinish: [Int] = []
    var unfinished: Int
  }

  /// Everything below is guarded by this condition's lock.
  private let condition = Condition()
  private nonisolated(unsafe) var entries: [Entry] = []
  private nonisolated(unsafe) var nextSerial = 0
  private nonisolated(unsafe) var isClosed = false

  /// A list without work.
  package init() {}

  /// Adds a batch of `count` samples in style groups of `groupSize`.
  package func add(_ batch: Batch, count: Int, groupSize: Int) {
    precondition(count > 0 && groupSize > 0, "a batch has samples, in groups")
    condition.withLock {
      let groups = (count + groupSize - 1) / groupSize
      let sizes = (0..<groups).map { min(groupSize, count - $0 * groupSize) }
      entries.append(
        Entry(
          serial: nextSerial, batch: batch, count: count, groupSize: groupSize, unpreparedInGroup: sizes,
          unfinished: count))
      nextSerial += 1
      condition.broadcast()
    }
  }

  /// Waits for work and takes it; `nil` once the list is closed.
  package func next() -> Ticket? {
    condition.withLock {
      while !isClosed {
        for index in entries.indices {
          if let position = entries[index].readyToFinish.popLast() {
            return ticket(at: index, position, .finish)
          }
          if entries[index].nextToPrepare < entries[index].count {
            entries[index].nextToPrepare += 1
            return ticket(at: index, entries[index].nextToPrepare - 1, .prepare)
          }
        }
        condition.wait()
      }
      return nil
    }
  }

  private func ticket(at index: Int, _ position: Int, _ stage: Stage) -> Ticket {
    Ticket(serial: entries[index].serial, batch: entries[index].batch, position: position, stage: stage)
  }

  /// Gives a ticket back, its work done; true when it was the last of its batch, which thereby leaves the list.
  package func complete(_ ticket: Ticket) -> Bool {
    condition.withLock {
      defer { condition.broadcast() }
      // A batch stays in the list until its last ticket is back.
      let index = entries.firstIndex { $0.serial == ticket.serial }!
      switch ticket.stage {
      case .prepare:
        let group = ticket.position / entries[index].groupSize
        entries[index].unpreparedInGroup[group] -= 1
        if entries[index].unpreparedInGroup[group] == 0 {
          let first = group * entries[index].groupSize
          let last = min(first + entries[index].groupSize, entries[index].count)
          entries[index].readyToFinish.append(contentsOf: (first..<last).reversed())
        }
        return false
      case .finish:
        entries[index].unfinished -= 1
        guard entries[index].unfinished == 0 else { return false }
        entries.remove(at: index)
        return true
      }
    }
  }

  /// No more work is handed out; what is left stays undone.
  package func close() {
    condition.withLock {
      isClosed = true
      condition.broadcast()
    }
  }
}
