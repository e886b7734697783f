import Foundation
import Testing
import WebServer

/// A server at a free port of this machine, whose answers say what was asked.
private func server(token: AccessToken? = nil, at host: String = "127.0.0.1") throws -> HTTPServer {
  try HTTPServer(ListeningSockets(at: .address(host: host, port: 0)), token: token) { request in
    guard request.path == "/echo" else { return .text("there is no \(request.path)", status: 404) }
    return .text(request.query.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "&"))
  }
}

@Suite("An HTTP server")
struct HTTPServerTests {
  @Test("answers GET, with what keeps a browser from guessing and from telling")
  func get() throws {
    let server = try server()
    let answer = try curl(server.addresses[0], "/echo?b=2%263&a=%C3%A4+1")
    #expect(answer.status == 200)
    #expect(answer.body == "a=ä 1&b=2&3\n")
    #expect(answer.headers["content-type"] == "text/plain; charset=utf-8")
    #expect(answer.headers["x-content-type-options"] == "nosniff")
    #expect(answer.headers["content-security-policy"]?.contains("default-src 'none'") == true)
    #expect(answer.headers["content-security-policy"]?.contains("frame-ancestors 'none'") == true)
    #expect(answer.headers["referrer-policy"] == "no-referrer")
    #expect(answer.headers["cache-control"] == "no-store")
    #expect(answer.headers["cross-origin-resource-policy"] == "same-origin")
    #expect(try curl(server.addresses[0], "/nothing").status == 404)
  }

  @Test("answers HEAD with the length of what GET would have")
  func head() throws {
    let server = try server()
    let answer = try curl(server.addresses[0], "/echo?a=1", "--head")
    #expect(answer.status == 200)
    #expect(answer.headers["content-length"] == "4")
    #expect(answer.body == "")
  }

  @Test("changes nothing: other methods and bodies are refused", arguments: ["POST", "PUT", "DELETE", "OPTIONS"])
  func methods(method: String) throws {
    let server = try server()
    let answer = try curl(server.addresses[0], "/echo", "-X", method)
    #expect(answer.status == 405)
    #expect(answer.headers["allow"] == "GET, HEAD")
    #expect(try curl(server.addresses[0], "/echo", "-X", "GET", "--data", "body").status == 413)
    #expect(
      try curl(server.addresses[0], "/echo", "-X", "GET", "-H", "Transfer-Encoding: chunked", "--data", "b").status
        == 413)
  }

  @Test("refuses a header that is larger than what it holds for one connection")
  func largeHeader() throws {
    let server = try server()
    let large = "X-Large: " + String(repeating: "x", count: 20_000)
    #expect([431, 413].contains(try curl(server.addresses[0], "/echo", "-H", large).status))
    #expect(
      [414, 413, 431].contains(try curl(server.addresses[0], "/" + String(repeating: "x", count: 20_000)).status))
    #expect(try curl(server.addresses[0], "/echo").status == 200)
  }

  @Test("is asked by address or as localhost, and under no name that a stranger's domain can have")
  func hosts() throws {
    let server = try server()
    for host in ["127.0.0.1", "localhost", "LOCALHOST:1", "sassl.localhost", "[::1]:80", "192.0.2.7:8080"] {
      #expect(try curl(server.addresses[0], "/echo", "-H", "Host: \(host)").status == 200, "\(host)")
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "1.evil"] {
      let answer = try curl(server.addresses[0], "/echo", "-H", "Host: \(host)")
      #expect(answer.status == 421, "\(host)")
    }
    #expect(try curl(server.addresses[0], "/echo", "-H", "Host:").status == 400)
    let two = "GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    #expect(answer(of: server, to: two).hasPrefix("HTTP/1.1 400 "))
  }

  @Test("with a token answers only who knows it, under any name")
  func token() throws {
    let token = AccessToken()
    let server = try server(token: token)
    let address = server.addresses[0]
    let refused = try curl(address, "/echo")
    #expect(refused.status == 401)
    #expect(refused.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
    #expect(!refused.body.contains(token.text))
    let wrong = String(token.text.dropLast()) + (token.text.hasSuffix("0") ? "1" : "0")
    for field in ["Bearer \(wrong)", "Bearer", "Basic \(token.text)", "Bearer \(token.text)0"] {
      #expect(try curl(address, "/echo", "-H", "Authorization: \(field)").status == 401, "\(field)")
    }
    #expect(try curl(address, "/echo?token=\(wrong)").status == 401)
    for host in ["localhost", "scraper.example"] {
      let answer = try curl(address, "/echo", "-H", "Authorization: bearer \(token.text)", "-H", "Host: \(host)")
      #expect(answer.status == 200)
    }
  }

  @Test("takes the token out of the address, into a cookie that scripts cannot read")
  func cookie() throws {
    let token = AccessToken()
    let server = try server(token: token)
    let address = server.addresses[0]
    let answer = try curl(address, "/echo?a=%26&token=\(token.text)")
    #expect(answer.status == 303)
    #expect(answer.headers["location"] == "/echo?a=%26")
    let cookie = try #require(answer.headers["set-cookie"])
    #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"))
    let pair = String(cookie.prefix { $0 != ";" })
    #expect(pair.hasPrefix("sassl-token-\(address.split(separator: ":")[1])="))
    #expect(try curl(address, "/echo?a=1", "-H", "Cookie: other=1; \(pair)").body == "a=1\n")
    #expect(try curl(address, "/echo", "-H", "Cookie: \(pair)0").status == 401)
    // A path that would be the name of another host, and one that would be a second field.
    #expect(try curl(address, "//evil.example/?token=\(token.text)").headers["location"] == "/evil.example/")
    let split = try curl(address, "/a%0d%0aX-Evil:%201?token=\(token.text)")
    #expect(split.headers["location"] == "/a%0D%0AX-Evil%3A%201")
    #expect(split.headers["x-evil"] == nil)
  }

  @Test("does not begin without a token where others can connect")
  func reachable() throws {
    #expect(throws: HTTPServerError.needsToken(address: "0.0.0.0:0")) { try server(at: "0.0.0.0") }
    let open = try server(token: AccessToken(), at: "0.0.0.0")
    #expect(try curl("127.0.0.1:" + open.addresses[0].split(separator: ":")[1], "/echo").status == 401)
    #expect(try !ListeningSockets(at: .address(host: "localhost", port: 0)).isReachableFromElsewhere)
    #expect(try ListeningSockets(at: .address(host: "0.0.0.0", port: 0)).isReachableFromElsewhere)
  }

  @Test("says why it cannot listen")
  func cannotListen() throws {
    let first = try server()
    let port = UInt16(first.addresses[0].split(separator: ":")[1])!
    let taken = ListenAddress.address(host: "127.0.0.1", port: port)
    #expect(throws: HTTPServerError.cannotListen(at: taken.description, reason: "Address already in use")) {
      _ = try ListeningSockets(at: taken)
    }
    first.stop()
    #expect(throws: Never.self) { _ = try ListeningSockets(at: taken) }
    #expect(throws: HTTPServerError.nothingFromSystemd) { _ = try ListeningSockets(at: .systemd) }
    #expect {
      _ = try ListeningSockets(at: .address(host: "no-such-host.invalid", port: 0))
    } throws: {
      "\($0)".contains("no-such-host.invalid:0")
    }
  }

  @Test("closes what is more than one address may have, and goes on when there is room")
  func connections() throws {
    let server = try server()
    let sockets = (0..<88).map { _ in connected(to: server) }
    #expect(sockets.allSatisfy { $0 >= 0 })
    // Those beyond the limit are closed by the server at once; the others say nothing, and are kept.
    var watched = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var closed = 0
    while closed < 24, poll(&watched, nfds_t(watched.count), 20_000) > 0 {
      closed = watched.filter { $0.revents != 0 }.count
    }
    #expect(closed == 24)
    for socket in sockets { close(socket) }
    var answer = try curl(server.addresses[0], "/echo", "--retry", "20", "--retry-all-errors")
    for _ in 0..<100 where answer.status == 0 { answer = try curl(server.addresses[0], "/echo") }
    #expect(answer.status == 200)
  }

  /// What a server answers to a request that curl would not send.
  private func answer(of server: HTTPServer, to request: String) -> String {
    let socket = connected(to: server)
    let handle = FileHandle(fileDescriptor: socket, closeOnDealloc: true)
    handle.write(Data(request.utf8))
    return String(decoding: handle.readDataToEndOfFile(), as: UTF8.self)
  }

  /// A connection that has said nothing yet.
  private func connected(to server: HTTPServer) -> Int32 {
    let port = UInt16(server.addresses[0].split(separator: ":")[1])!
    let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let reached = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return reached == 0 ? number : -1
  }
}

@Suite("Where a server listens")
struct ListenAddressTests {
  @Test(
    "is read as people write it",
    arguments: [
      ("127.0.0.1:8080", ListenAddress.address(host: "127.0.0.1", port: 8080)),
      ("localhost:0", .address(host: "localhost", port: 0)),
      ("[::1]:80", .address(host: "::1", port: 80)),
      ("systemd", .systemd),
    ])
  func reading(text: String, address: ListenAddress) throws {
    #expect(try ListenAddress(text) == address)
    #expect(address.description == text)
  }

  @Test(
    "is refused where a part is missing or wrong",
    arguments: ["", "8080", ":8080", "localhost", "localhost:", "localhost:65536", "localhost:-1", "::1:80", "[]:80"])
  func refusing(text: String) {
    #expect(throws: HTTPServerError.notAnAddress(text)) { try ListenAddress(text) }
  }
}

@Suite("A token")
struct AccessTokenTests {
  @Test("is another each time, and too long to guess")
  func random() {
    #expect(AccessToken().text != AccessToken().text)
    #expect(AccessToken().text.count == 32)
  }

  @Test("is read from a file of one line")
  func file() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func token(_ contents: String) throws -> String {
      let file = folder.appendingPathComponent("token")
      try contents.write(to: file, atomically: true, encoding: .utf8)
      return try AccessToken(file: file.path).text
    }
    #expect(try token("0123456789abcdef\n") == "0123456789abcdef")
    #expect(try token("0123456789-._~+/=") == "0123456789-._~+/=")
    let file = folder.appendingPathComponent("token").path
    for contents in [
      "", "short\n", "0123456789abcdef;\n", "0123456789abcdef\nmore\n", String(repeating: "x", count: 300),
    ] {
      #expect(throws: HTTPServerError.notAToken(file: file)) { try token(contents) }
    }
    #expect(throws: HTTPServerError.notAToken(file: "/dev/zero")) { try AccessToken(file: "/dev/zero") }
    #expect(throws: HTTPServerError.unreadableToken(file: "/no/token", reason: "No such file or directory")) {
      try AccessToken(file: "/no/token")
    }
  }
}
