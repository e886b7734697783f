import Basics
import FoundationEssentials

/// Metrics as text, for Prometheus and everything that reads what it reads.
package struct Exposition: Sendable {
  /// How the text is laid out. Names and values of samples are the same in both.
  package enum Format: Sendable {
    /// OpenMetrics 1.0.0.
    case openMetrics
    /// Prometheus' own text format 0.0.4, the only one that node_exporter's textfile collector reads.
    case text

    /// The media type, as a server calls it.
    package var mediaType: String {
      switch self {
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      case .text: "text/plain; version=0.0.4; charset=utf-8"
      }
    }
  }

  private let streams: [StreamMeasurement]

  /// The metrics of some streams, which the label `stream` tells apart.
  package init(of streams: [StreamMeasurement]) { self.streams = streams }

  /// The whole text. Every metric is described, also one without values.
  package func text(in format: Format) -> String {
    var text = ""
    for metric in Metric.all {
      let family = metric.familyName(in: format)
      text += "# HELP \(family) \(metric.help).\n# TYPE \(family) \(metric.typeName(in: format))\n"
      if format == .openMetrics, let unit = metric.unit { text += "# UNIT \(family) \(unit.rawValue)\n" }
      for stream in streams {
        for sample in metric.samples(stream) {
          text += metric.lines(of: sample, labels: [Metric.Label("stream", stream.name)] + sample.labels)
        }
      }
    }
    return format == .openMetrics ? text + "# EOF\n" : text
  }
}

extension Metric {
  /// What the samples of a metric that is no histogram are called.
  package var sampleName: String {
    switch kind {
    case .counter: name + "_total"
    case .info: name + "_info"
    case .gauge, .histogram, .stateSet: name
    }
  }

  /// What the metric is called in its description.
  fileprivate func familyName(in format: Exposition.Format) -> String { format == .openMetrics ? name : sampleName }

  /// The text format has fewer kinds.
  fileprivate func typeName(in format: Exposition.Format) -> String {
    format == .text && [.info, .stateSet].contains(kind) ? Kind.gauge.rawValue : kind.rawValue
  }

  fileprivate func lines(of sample: Sample, labels: [Label]) -> String {
    switch sample.value {
    case .number(let number): return Self.line(sampleName, labels, number)
    case .durations(let histogram):
      var text = ""
      var below: UInt64 = 0
      let bounds = histogram.boundsSeconds.map { "\($0)" } + ["+Inf"]
      for (bound, count) in zip(bounds, histogram.counts) {
        below += count
        text += Self.line(name + "_bucket", labels + [Label("le", bound)], Double(below))
      }
      return text + Self.line(name + "_count", labels, Double(below))
        + Self.line(name + "_sum", labels, histogram.sumSeconds)
    }
  }

  private static func line(_ name: String, _ labels: [Label], _ value: Double) -> String {
    let texts = labels.map { "\($0.name)=\"\(escaped($0.value))\"" }
    // Whole numbers without a point, as counts are usually written.
    let number = Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    return "\(name){\(texts.joined(separator: ","))} \(number)\n"
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    // By scalars: a carriage return and a line feed are one character, and no line feed.
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n": escaped += "\\n"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
