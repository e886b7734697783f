/// What a client asks for. The server answers HEAD itself, from what would be the answer to GET.
package struct HTTPRequest: Sendable {
  /// The path, decoded, such as `/state.json`.
  package let path: String
  /// What stands behind `?`, decoded; of several with one name the last.
  package let query: [String: String]
  /// The fields of the header, by their names in small letters; of several with one name the last.
  package let headers: [String: String]
}

/// The answer to a request.
package struct HTTPResponse: Sendable {
  /// The status of RFC 9110, such as 200.
  package let status: Int
  /// The type of the body, such as `text/html; charset=utf-8`.
  package let contentType: String
  /// The body.
  package let body: [UInt8]
  /// What a page may load and run (Content Security Policy, level 3). By default nothing at all.
  package let contentSecurityPolicy: String
  /// Further fields of the header.
  let headers: [(name: String, value: String)]

  /// A page may load nothing, lead nowhere, and stand in no other page.
  package static let nothingAllowed = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  package init(
    status: Int = 200, contentType: String, body: [UInt8],
    contentSecurityPolicy: String = HTTPResponse.nothingAllowed
  ) {
    self.init(
      status: status, contentType: contentType, body: body, contentSecurityPolicy: contentSecurityPolicy, headers: [])
  }

  init(
    status: Int, contentType: String, body: [UInt8], contentSecurityPolicy: String = HTTPResponse.nothingAllowed,
    headers: [(name: String, value: String)]
  ) {
    self.status = status
    self.contentType = contentType
    self.body = body
    self.contentSecurityPolicy = contentSecurityPolicy
    self.headers = headers
  }

  /// A sentence for people, such as why something is refused.
  package static func text(_ sentence: String, status: Int = 200) -> HTTPResponse {
    text(sentence, status: status, headers: [])
  }

  static func text(_ sentence: String, status: Int, headers: [(name: String, value: String)]) -> HTTPResponse {
    HTTPResponse(
      status: status, contentType: "text/plain; charset=utf-8", body: Array((sentence + "\n").utf8), headers: headers)
  }
}
