import Basics
import Control

/// A metric: its name, what it means, and where its values come from.
package struct Metric: Sendable {
  /// What kind of metric it is, in the words of OpenMetrics.
  package enum Kind: String, Sendable {
    /// Only rises, but begins anew with its source.
    case counter
    /// A value of the moment.
    case gauge
    /// How many durations lie below each of a few bounds, and their sum.
    case histogram
    /// Texts, as labels of a value that is always 1.
    case info
    /// Which of a few states it is: 1 for that one, 0 for the others.
    case stateSet = "stateset"
  }

  /// A unit, at the end of the metric's name.
  package enum Unit: String, CaseIterable, Sendable {
    case seconds, bytes
  }

  /// A value with the labels that tell it from the metric's others.
  package struct Sample: Sendable, Equatable {
    /// What was measured.
    package enum Value: Sendable, Equatable {
      case number(Double)
      case durations(DurationHistogram)
    }

    /// Names and texts, in their order.
    package var labels: [Label]
    package var value: Value
  }

  /// A label of a sample.
  package struct Label: Sendable, Equatable {
    package var name: String
    /// Any text.
    package var value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The name without `_total`, `_info` or `_bucket`: what OpenMetrics calls the family's.
  package let name: String
  /// What kind it is.
  package let kind: Kind
  /// What it means, in a sentence without its full stop.
  package let help: String
  /// The unit, with which the name ends; `nil` for a plain number.
  package var unit: Unit? { Unit.allCases.first { name.hasSuffix("_\($0.rawValue)") } }
  /// Its values for one stream, without the label of the stream; none where they are not known.
  let samples: @Sendable (StreamMeasurement) -> [Sample]
}

// MARK: - Metrics of each kind

extension Metric {
  /// What rises while the daemon runs.
  static func counter(
    _ name: String, _ help: String, _ value: @escaping @Sendable (StreamMeasurement) -> Double?
  ) -> Metric {
    Metric(name: name, kind: .counter, help: help) { [sample(value($0))].compactMap(\.self) }
  }

  /// A value of the moment.
  static func gauge(
    _ name: String, _ help: String, _ value: @escaping @Sendable (StreamMeasurement) -> Double?
  ) -> Metric {
    Metric(name: name, kind: .gauge, help: help) { [sample(value($0))].compactMap(\.self) }
  }

  /// What has a value for each rank's ring.
  static func ofRings(
    _ kind: Kind, _ name: String, _ help: String,
    _ value: @escaping @Sendable (StreamMeasurement.Ring) -> Double
  ) -> Metric {
    Metric(name: name, kind: kind, help: help) { measured in
      measured.rings.compactMap { sample(value($0), [rank($0.rank)]) }
    }
  }

  /// Durations of each rank's batches.
  static func ofBatches(
    _ name: String, _ help: String,
    _ durations: @escaping @Sendable (DaemonCounts.Batches) -> DurationHistogram
  ) -> Metric {
    Metric(name: name, kind: .histogram, help: help) { measured in
      (measured.counts?.batches ?? []).map { Sample(labels: [rank($0.rank)], value: .durations(durations($0))) }
    }
  }

  /// Which of `states` it is; the label has the metric's own name, as OpenMetrics wants it.
  static func states(
    _ name: String, _ states: [String], _ help: String, _ state: @escaping @Sendable (StreamMeasurement) -> String?
  ) -> Metric {
    Metric(name: name, kind: .stateSet, help: help) { measured in
      guard let state = state(measured) else { return [] }
      return states.compactMap { sample($0 == state ? 1 : 0, [Label(name, $0)]) }
    }
  }

  static func sample(_ value: Double?, _ labels: [Label] = []) -> Sample? {
    value.map { Sample(labels: labels, value: .number($0)) }
  }

  static func rank(_ rank: Int) -> Label { Label("rank", "\(rank)") }
}
