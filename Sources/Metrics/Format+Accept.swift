extension Exposition.Format {
  /// The format that a client wants most, by its `Accept` (RFC 9110): the text format where it does not say, as Prometheus does it.
  package init(accept: String?) {
    var wanted = (openMetrics: 0.0, text: 0.0)
    for part in (accept ?? "").split(separator: ",") {
      let pieces = part.lowercased().split(separator: ";").map { $0.filter { !$0.isWhitespace } }
      let quality = pieces.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
      switch pieces.first {
      case "application/openmetrics-text": wanted.openMetrics = max(wanted.openMetrics, quality)
      case "text/plain", "text/*", "*/*": wanted.text = max(wanted.text, quality)
      default: continue
      }
    }
    self = wanted.openMetrics > 0 && wanted.openMetrics >= wanted.text ? .openMetrics : .text
  }
}
