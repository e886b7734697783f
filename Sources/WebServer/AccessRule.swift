/// Who may ask a server, and how: decided before the request is looked at any further.
///
/// With a token, whoever knows it: in `Authorization: Bearer`, or in the cookie that `?token=` has set. Without one, this machine; and
/// because any page in a browser of this machine can send requests too, only under a name that no stranger's domain can have: else such a
/// domain could come to mean this machine, and its pages would read the answers (DNS rebinding). The browser sends neither token
/// nor cookie for another name, so with a token the name does not matter.
struct AccessRule: Sendable {
  let token: AccessToken?
  /// The name that was listened at, where one was.
  let host: String?
  /// The cookie's name. Cookies are shared between all ports of a machine, so it has the port.
  let cookie: String

  /// The answer to a request that may not pass; `nil` where it may.
  ///
  /// - Parameters:
  ///   - hosts: the values of every `Host` field.
  func refusal(of request: HTTPRequest, hosts: [String]) -> HTTPResponse? {
    // RFC 9112, section 3.2.
    guard hosts.count == 1 else { return .text("a request names one host", status: 400) }
    guard let token else {
      return isOurs(hosts[0])
        ? nil : .text("this server is not called '\(hosts[0])'; ask it by its address, or as localhost", status: 421)
    }
    if let given = request.query["token"] {
      guard token.matches(given) else { return unauthorized }
      // The token must not stay in the browser's history and titles, nor in what it tells other servers.
      var rest = request.query
      rest["token"] = nil
      let query = rest.sorted { $0.key < $1.key }.map { encoded($0.key) + "=" + encoded($0.value) }
      // Two slashes would begin the name of another host.
      let path = "/" + encoded(String(request.path.drop { $0 == "/" }), keeping: "/")
      return .text(
        "the token is kept in a cookie", status: 303,
        headers: [
          ("Location", query.isEmpty ? path : path + "?" + query.joined(separator: "&")),
          ("Set-Cookie", "\(cookie)=\(token.text); Path=/; HttpOnly; SameSite=Lax"),
        ])
    }
    if let given = bearer(request.headers["authorization"]) ?? self.given(cookies: request.headers["cookie"]),
      token.matches(given)
    {
      return nil
    }
    return unauthorized
  }

  private var unauthorized: HTTPResponse {
    .text(
      "this needs a token: open the address with ?token=..., or send 'Authorization: Bearer ...'", status: 401,
      headers: [("WWW-Authenticate", "Bearer realm=\"sassl\"")])
  }

  private func bearer(_ field: String?) -> String? {
    guard let field, field.prefix(7).lowercased() == "bearer " else { return nil }
    return String(field.dropFirst(7).drop { $0 == " " })
  }

  private func given(cookies field: String?) -> String? {
    field?.split(separator: ";").map { $0.drop { $0 == " " } }
      .first { $0.hasPrefix(cookie + "=") }.map { String($0.dropFirst(cookie.count + 1)) }
  }

  /// Whether a `Host` is one that only this machine can mean: an address, localhost, or the name that was listened at.
  private func isOurs(_ field: String) -> Bool {
    if field.hasPrefix("[") { return field.contains("]") }
    let name = field.prefix { $0 != ":" }.lowercased()
    // No domain ends in a number, so this is an address, or nothing.
    if let last = name.split(separator: ".").last, last.allSatisfy({ $0.isASCII && $0.isNumber }) { return true }
    return name == "localhost" || name.hasSuffix(".localhost") || name == host?.lowercased()
  }
}

/// Text as it may stand in an address: all but the unreserved characters of RFC 3986 as their bytes.
package func encoded(_ text: String, keeping kept: String = "") -> String {
  text.utf8.reduce(into: "") { result, byte in
    let letter = Character(UnicodeScalar(byte))
    if byte < 128, letter.isLetter || letter.isNumber || "-._~".contains(letter) || kept.contains(letter) {
      result.append(letter)
    } else {
      result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }
  }
}
