import FoundationEssentials

/// How reports are written as JSON, on the control socket and by `--json`: with snake-case keys.
enum ReportCoding {
  /// A report, which holds only finite numbers and text; `pretty` breaks it into lines.
  static func json(of report: some Encodable, pretty: Bool) -> Data {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys]
    // Finite numbers and text always encode.
    return try! encoder.encode(report)
  }

  /// Reads what `json(of:pretty:)` wrote.
  ///
  /// - Throws: `DecodingError` where it is no such report.
  static func report<Report: Decodable>(_ type: Report.Type, from json: Data) throws -> Report {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: json)
  }
}
