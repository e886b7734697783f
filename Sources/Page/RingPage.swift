import Basics
import Configuration
import FoundationEssentials
import Glibc
import WebServer

/// The page in a browser that shows one stream: what is in its rings, how fast it is, who waits for whom, and what was drawn.
///
/// It is one document without outside resources. Served, its script asks for `state.json` each second and for the pictures of the batch
/// that is shown; in a file, both are inside.
package final class RingPage: Sendable {
  private let load: @Sendable () throws -> ServiceConfiguration
  private let last: Mutex<ServiceConfiguration>
  private let shownBatches: ShownBatches

  /// A page about the stream of a configuration.
  ///
  /// - Parameters:
  ///   - samples: how many samples of a batch are shown.
  ///   - load: reads the configuration; again each time, for a daemon that is started anew may have another.
  /// - Throws: what `load` throws.
  package init(samples: Int, _ load: @escaping @Sendable () throws -> ServiceConfiguration) throws {
    self.load = load
    last = Mutex(try load())
    shownBatches = ShownBatches(limit: samples)
  }

  /// Answers a browser.
  package func respond(to request: HTTPRequest) -> HTTPResponse {
    switch request.path {
    case "/":
      let nonce = Self.nonce()
      return HTTPResponse(
        contentType: "text/html; charset=utf-8", body: document(nonce: nonce),
        contentSecurityPolicy: Self.policy(nonce: nonce, sources: "'self' data:")
          + "; connect-src 'self'; frame-ancestors 'none'")
    case "/state.json":
      return HTTPResponse(contentType: "application/json", body: state().json())
    case "/picture":
      guard let file = picture(request.query) else {
        return .text("this picture is not kept any more; the page names others by now", status: 404)
      }
      return HTTPResponse(contentType: "image/jpeg", body: file)
    default:
      return .text("there is no \(request.path) here; the page is at /", status: 404)
    }
  }

  /// The page as a file: what it shows now, with the pictures, and nothing that changes.
  package func file() -> [UInt8] {
    var state = state()
    for ring in state.rings.indices {
      for sample in state.rings[ring].shown?.samples.indices ?? 0..<0 {
        state.rings[ring].shown!.samples[sample].pictures = state.rings[ring].shown!.samples[sample].pictures.map(
          inside)
      }
    }
    return document(nonce: Self.nonce(), state: state)
  }

  private func state() -> PageState {
    var problem: String?
    let configuration = last.withLock { last in
      do {
        last = try load()
      } catch let error as ConfigurationError {
        problem = error.description
      } catch {
        // The daemon that told where the file is has ended, as the status says.
      }
      return last
    }
    return PageQuery(configuration: configuration, configurationProblem: problem, shownBatches: shownBatches).state()
  }

  private func picture(_ query: [String: String]) -> [UInt8]? {
    guard let rank = query["rank"].flatMap({ Int($0) }), let instance = query["instance"],
      let batch = query["batch"].flatMap({ UInt64($0) }), let position = query["sample"].flatMap({ Int($0) }),
      let view = query["view"].flatMap({ Int($0) })
    else { return nil }
    return shownBatches.picture(rank: rank, instance: instance, batch: batch, position: position, view: view)
  }

  /// A picture as an address that has it inside.
  private func inside(_ address: String) -> String {
    let pairs = address.drop { $0 != "?" }.dropFirst().split(separator: "&").map {
      $0.split(separator: "=").map(String.init)
    }
    let file = picture(Dictionary(uniqueKeysWithValues: pairs.map { ($0[0], $0[1]) }))
    return "data:image/jpeg;base64," + Data(file ?? []).base64EncodedString()
  }

  // MARK: - The document

  /// Only what carries the nonce of this very document is run, whatever text might get into it.
  private static func policy(nonce: String, sources: String) -> String {
    "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; img-src \(sources); base-uri 'none'; form-action 'none'"
  }

  private static func nonce() -> String {
    var generator = SystemRandomNumberGenerator()
    return String(UInt64.random(in: 0...UInt64.max, using: &generator), radix: 36)
      + String(UInt64.random(in: 0...UInt64.max, using: &generator), radix: 36)
  }

  /// The document; with a state, that one is inside, and it asks nobody for another.
  private func document(nonce: String, state: PageState? = nil) -> [UInt8] {
    let inside = state.map { state in
      // What would end the element stands as the same text for a parser of JSON.
      state.json().flatMap { $0 == UInt8(ascii: "<") ? Array(#"\u003c"#.utf8) : [$0] }
    }
    let policy = state == nil ? "" : Self.policy(nonce: nonce, sources: "data:")
    let places: [String: [UInt8]] = [
      "nonce": Array(nonce.utf8), "policy": Array(policy.utf8), "style": PackageResources.page_css,
      "script": PackageResources.page_js, "state": inside ?? [],
    ]
    var result: [UInt8] = []
    // {{name}} stands for a part; none of the parts is looked through again.
    var rest = PackageResources.page_html[...]
    while let begin = rest.firstRange(of: Array("{{".utf8)) {
      let end = rest[begin.upperBound...].firstRange(of: Array("}}".utf8))!
      result += rest[..<begin.lowerBound]
      result += places[String(decoding: rest[begin.upperBound..<end.lowerBound], as: UTF8.self)]!
      rest = rest[end.upperBound...]
    }
    return result + rest
  }
}
