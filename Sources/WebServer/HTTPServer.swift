import Basics
import CMicroHTTPD
import Glibc

/// Answers GET and HEAD over HTTP/1.1, on threads of its own.
///
/// Every limit is there so that nobody can use up what the process has: a header of 16 KiB, no bodies, 256 connections and 64 of one address,
/// each closed after 10 silent seconds. Answers are never stored, and tell browsers to guess no types, to say nothing of it
/// elsewhere, and to let no other page in. Who may ask is decided by the token, and without one by where the server listens.
///
/// ```swift
/// let server = try HTTPServer(ListeningSockets(at: .address(host: "127.0.0.1", port: 0))) { request in
///   request.path == "/" ? .text("hello") : .text("there is no \(request.path)", status: 404)
/// }
/// ```
package final class HTTPServer: Sendable {
  /// Bytes that one connection may take: its request's header, above all.
  private static let connectionBytes = 16 << 10
  /// Connections at once, and of one address.
  private static let connections = (all: 256, ofOneAddress: 64)
  /// Seconds of silence after which a connection is closed.
  private static let patienceSeconds = 10
  /// Threads that answer; one that waits for something holds up its share of the connections.
  private static let threads = 4
  /// Stack of such a thread, in bytes.
  private static let stackBytes = 2 << 20

  /// What the threads of libmicrohttpd call.
  private final class Answering: Sendable {
    let rule: AccessRule
    let respond: @Sendable (HTTPRequest) -> HTTPResponse

    init(rule: AccessRule, respond: @escaping @Sendable (HTTPRequest) -> HTTPResponse) {
      self.rule = rule
      self.respond = respond
    }
  }

  /// Of libmicrohttpd, one for each socket; empty once the server is stopped.
  private struct Daemons: @unchecked Sendable {
    // Unchecked because the compiler does not know that these may be stopped by any thread.
    var pointers: [OpaquePointer] = []
  }

  private let answering: Answering
  private let daemons = Mutex(Daemons())
  /// The addresses that it listens at, such as `127.0.0.1:8080`.
  package let addresses: [String]

  /// Begins to answer.
  ///
  /// - Parameters:
  ///   - token: what whoever asks must know; needed where others than this machine can connect.
  ///   - respond: makes an answer; called on several threads at once.
  /// - Throws: `HTTPServerError.needsToken` or `.cannotStart`.
  package init(
    _ sockets: consuming ListeningSockets, token: AccessToken? = nil,
    respond: @escaping @Sendable (HTTPRequest) -> HTTPResponse
  ) throws(HTTPServerError) {
    let place = sockets.place
    addresses = sockets.addresses
    let host: String? = if case .address(let host, _) = place { host } else { nil }
    let port = addresses.first?.split(separator: ":").last.map { "-" + $0 } ?? ""
    answering = Answering(
      rule: AccessRule(token: token, host: host, cookie: "sassl-token" + port), respond: respond)
    guard token != nil || !sockets.isReachableFromElsewhere else { throw .needsToken(address: place.description) }
    var waiting = sockets.take()
    while let socket = waiting.popLast() {
      guard let daemon = start(on: socket) else {
        for descriptor in waiting { close(descriptor) }
        stop()
        throw .cannotStart(address: place.description)
      }
      daemons.withLock { $0.pointers.append(daemon) }
    }
  }

  deinit { stop() }

  /// Closes the sockets and every connection, and returns when no answer is being made any more.
  package func stop() {
    let stopped = daemons.withLock { daemons in
      defer { daemons.pointers = [] }
      return daemons
    }
    for daemon in stopped.pointers { MHD_stop_daemon(daemon) }
  }

  private func start(on socket: Int32) -> OpaquePointer? {
    var options = [
      MHD_OptionItem(option: .LISTEN_SOCKET, value: Int(socket), ptr_value: nil),
      MHD_OptionItem(option: .CONNECTION_MEMORY_LIMIT, value: Self.connectionBytes, ptr_value: nil),
      MHD_OptionItem(option: .CONNECTION_LIMIT, value: Self.connections.all, ptr_value: nil),
      MHD_OptionItem(option: .PER_IP_CONNECTION_LIMIT, value: Self.connections.ofOneAddress, ptr_value: nil),
      MHD_OptionItem(option: .CONNECTION_TIMEOUT, value: Self.patienceSeconds, ptr_value: nil),
      MHD_OptionItem(option: .THREAD_POOL_SIZE, value: Self.threads, ptr_value: nil),
      MHD_OptionItem(option: .THREAD_STACK_SIZE, value: Self.stackBytes, ptr_value: nil),
      MHD_OptionItem(option: .STRICT_FOR_CLIENT, value: 1, ptr_value: nil),
      MHD_OptionItem(option: .END, value: 0, ptr_value: nil),
    ]
    let flags = MHD_USE_AUTO.rawValue | MHD_USE_INTERNAL_POLLING_THREAD.rawValue
    // It lives as long as the daemon: `deinit` stops that first.
    let context = Unmanaged.passUnretained(answering).toOpaque()
    return options.withUnsafeMutableBufferPointer { options in
      withVaList([MHD_OPTION.ARRAY.rawValue, options.baseAddress!, MHD_OPTION.END.rawValue]) {
        MHD_start_daemon_va(
          flags, 0, nil, nil,
          { context, connection, path, method, _, _, _, _ in
            let answering = Unmanaged<Answering>.fromOpaque(context!).takeUnretainedValue()
            return HTTPServer.answer(
              answering, connection!, path: String(cString: path!), method: String(cString: method!))
          }, context, $0)
      }
    }
  }

  /// Called once the header is there, and answered at once: a body is never read.
  private static func answer(
    _ answering: Answering, _ connection: OpaquePointer, path: String, method: String
  ) -> MHD_Result {
    let fields = values(of: connection, .HEADER_KIND)
    let request = HTTPRequest(
      path: path,
      query: Dictionary(values(of: connection, .GET_ARGUMENT_KIND), uniquingKeysWith: { $1 }),
      headers: Dictionary(fields.map { ($0.0.lowercased(), $0.1) }, uniquingKeysWith: { $1 }))
    let hosts = fields.filter { $0.0.lowercased() == "host" }.map(\.1)
    let response: HTTPResponse
    if !["GET", "HEAD"].contains(method) {
      response = .text("this server answers GET and HEAD alone", status: 405, headers: [("Allow", "GET, HEAD")])
    } else if request.headers["transfer-encoding"] != nil || request.headers["content-length"] ?? "0" != "0" {
      response = .text("this server reads no bodies", status: 413)
    } else {
      response = answering.rule.refusal(of: request, hosts: hosts) ?? answering.respond(request)
    }
    return send(response, to: connection)
  }

  private static func send(_ response: HTTPResponse, to connection: OpaquePointer) -> MHD_Result {
    var body = response.body
    guard let message = MHD_create_response_from_buffer(body.count, &body, .RESPMEM_MUST_COPY) else { return .NO }
    defer { MHD_destroy_response(message) }
    let headers =
      response.headers + [
        ("Content-Type", response.contentType),
        ("Content-Security-Policy", response.contentSecurityPolicy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
      ]
    for (name, value) in headers { MHD_add_response_header(message, name, value) }
    return MHD_queue_response(connection, UInt32(response.status), message)
  }

  /// Names and values of what a request has of one kind.
  private static func values(of connection: OpaquePointer, _ kind: MHD_ValueKind) -> [(String, String)] {
    var values: [(String, String)] = []
    withUnsafeMutablePointer(to: &values) { pointer in
      _ = MHD_get_connection_values(
        connection, kind,
        { context, _, name, value in
          let values = context!.assumingMemoryBound(to: [(String, String)].self)
          values.pointee.append((name.map { String(cString: $0) } ?? "", value.map { String(cString: $0) } ?? ""))
          return .YES
        }, pointer)
    }
    return values
  }
}
