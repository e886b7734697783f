import Basics
import Commands
import Configuration
import Dispatch
import Glibc
import Metrics
import WebServer

/// Streams that are measured again and again, also while their daemons come and go.
final class MeasuredStreams: Sendable {
  /// Finds them, with a sentence on each that is left out.
  typealias Search = @Sendable () throws -> (configurations: [ServiceConfiguration], leftOut: [String])

  private let find: Search
  private let tell: @Sendable (String) -> Void
  private let queue = DispatchQueue(label: "sassl.streams")
  private let state: Mutex<State>

  private struct State {
    var configurations: [ServiceConfiguration]
    var leftOut: [String]
    var isSearching = false
  }

  /// The streams that `find` finds; `tell` is told what keeps one from being measured, once.
  ///
  /// - Throws: what `find` throws now. What it throws later is told, and the streams of before are measured: one that nobody has
  ///   installed is found only while it runs.
  init(_ find: @escaping Search, tell: @escaping @Sendable (String) -> Void) throws {
    self.find = find
    self.tell = tell
    let found = try find()
    state = Mutex(State(configurations: found.configurations, leftOut: found.leftOut))
    found.leftOut.forEach(tell)
  }

  /// Whether every stream that there is can be measured.
  var areComplete: Bool { state.withLock { $0.leftOut.isEmpty } }

  /// The metrics of this moment.
  func exposition() -> Exposition { Exposition(of: StreamMeasurement.all(of: state.withLock { $0.configurations })) }

  /// Looks for the streams again, for the next time: a daemon that hangs holds up a search for seconds.
  func refresh() {
    let isSearching = state.withLock { state in
      defer { state.isSearching = true }
      return state.isSearching
    }
    if !isSearching { queue.async { self.search() } }
  }

  private func search() {
    let found = Result { try find() }
    let news = state.withLock { state in
      let before = state.leftOut
      switch found {
      case .success(let streams): (state.configurations, state.leftOut) = streams
      case .failure(let error): state.leftOut = [CommandFailure(for: error).message]
      }
      state.isSearching = false
      return state.leftOut.filter { !before.contains($0) }
    }
    news.forEach(tell)
  }
}

/// Answers Prometheus until the process is ended.
///
/// - Parameters:
///   - place: where to listen.
///   - tokenFile: a file with what whoever asks must know; needed where others than this machine can connect.
/// - Throws: `HTTPServerError`.
func serve(_ streams: MeasuredStreams, at place: ListenAddress, tokenFile: String?) throws -> Never {
  let token = try tokenFile.map { file throws(HTTPServerError) in try AccessToken(file: file) }
  signal(SIGPIPE, SIG_IGN)
  let server = try HTTPServer(ListeningSockets(at: place), token: token) { request in
    switch request.path {
    case "/metrics":
      defer { streams.refresh() }
      let format = Exposition.Format(accept: request.headers["accept"])
      return HTTPResponse(contentType: format.mediaType, body: Array(streams.exposition().text(in: format).utf8))
    case "/": return .text("The metrics are at /metrics.")
    default: return .text("There is no \(request.path); the metrics are at /metrics.", status: 404)
    }
  }
  for address in server.addresses { print("http://\(address)/metrics") }
  fflush(nil)
  // Nothing is kept that an end could damage, so signals end it as they end any program.
  while true { pause() }
}
