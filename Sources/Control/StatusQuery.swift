import Basics
import BatchIndex
import BatchRing
import Configuration
import Dataset
import FoundationEssentials
import Glibc

/// Finds out how a stream's daemon is doing: from the daemon, or where none runs, from what it left behind.
package struct StatusQuery {
  private let configuration: ServiceConfiguration
  private let places: ServicePlaces

  /// A query about the stream of a configuration.
  package init(_ configuration: ServiceConfiguration) {
    self.configuration = configuration
    places = ServicePlaces(of: configuration)
  }

  /// The state: the daemon's own report, or one of the state `stopped` or `unknown` from what is left of it.
  package func ask() -> StatusReport {
    answer(to: .status, reading: { try StatusReport(json: $0) }, orLeft: { $0 })
  }

  /// The state and what the daemon has counted; the state alone where none answers.
  package func measure() -> MeasuredReport {
    answer(to: .metrics, reading: { try MeasuredReport(json: $0) }, orLeft: { MeasuredReport(status: $0) })
  }

  /// What the daemon answers, or what follows from the state of one that does not.
  private func answer<Report>(
    to request: ControlRequest, reading read: (Data) throws -> Report, orLeft conclude: (StatusReport) -> Report
  ) -> Report {
    func left(_ state: StatusReport.State, _ detail: String) -> Report {
      conclude(self.left(state: state, detail: detail))
    }
    let folder = configuration.state.resolvedRuntimeDirectory
    if let fault = ServicePlaces.fault(of: folder) {
      return left(.unknown, "the directory \(folder) \(fault): what answers there is not believed")
    }
    do throws(ControlError) {
      let answer = try ControlClient.ask(request, at: places.controlPath)
      if let report = try? read(answer) { return report }
      return left(.unknown, "the daemon's answer is not a report; is it of another version?")
    } catch {
      if case .notAllowed = error { return left(.unknown, error.description) }
      // The socket says nothing; the kernel's lock on the ring knows whether somebody lives.
      if let holder = producer() {
        return left(.unknown, "process \(holder) holds the ring, but \(error)")
      }
      return left(.stopped, "not running; what follows is from its index")
    }
  }

  private func producer() -> Int? {
    for rank in configuration.batch.ranks {
      let location = RingLocation(
        directory: configuration.ring.directory, name: configuration.stream.name, rank: rank)
      guard let observer = try? RingObserver(at: location) else { continue }
      if observer.counters.producerIsAlive { return observer.geometry.producerProcess }
    }
    return nil
  }

  /// What the index still knows.
  private func left(state: StatusReport.State, detail: String) -> StatusReport {
    var report = StatusReport(of: configuration, state: state, detail: detail)
    guard let reader = try? BatchIndexReader(path: places.indexPath) else { return report }
    report.index = "ok"
    if let instance = try? reader.instances(limit: 1).first {
      report.startedAtSeconds = instance.startedAt.timeIntervalSince1970
      report.fingerprint = instance.facts["fingerprint"] ?? ""
      report.samples = instance.facts["samples"].flatMap { Int($0) } ?? 0
      report.model = instance.facts["model"] ?? report.model
    }
    report.quarantinedFiles = (try? reader.quarantinedFileCount()) ?? 0
    report.quarantine = ((try? reader.quarantinedFiles(limit: 100)) ?? []).map { file in
      StatusReport.QuarantinedSample(
        sampleID: Int(file.sampleID), path: BytePath(file.path.prefix { $0 != 0 }).description, reason: file.reason)
    }
    return report
  }
}
