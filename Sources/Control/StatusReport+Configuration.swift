import Basics
import Configuration
import FoundationEssentials
import Machine

extension StatusReport {
  /// What is known of a stream from its configuration alone, for one that is not open yet, or whose daemon does not run.
  package init(of configuration: ServiceConfiguration, state: State, detail: String) {
    self.init(
      programVersion: Basics.programVersion, name: configuration.stream.name, state: state, detail: detail,
      process: nil,
      startedAtSeconds: 0, uptimeSeconds: 0, fingerprint: "", dataset: configuration.dataset.name, samples: 0,
      model: configuration.style.model, styleSource: configuration.style.source.rawValue,
      workers: configuration.workers.resolvedCount, cores: ProcessorShare.cores, cpuPath: "", rings: [], images: 0,
      imagesPerSecond: 0, stages: StageTimes(), replacedSamples: 0, quarantine: [], quarantinedFiles: 0,
      index: "absent", residentBytes: 0)
  }
}
