import Basics
import Commands
import Configuration
import FoundationEssentials
import Glibc
import Page
import WebServer

/// `sasslctl page`: what is in the ring, in a browser.
func pageCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      CommandOption(
        "listen", letter: "l", value: "HOST:PORT",
        "where to serve it, until SIGTERM or SIGINT (default 127.0.0.1:0, any port\nthat is free); systemd takes the socket of a "
          + ".socket unit"),
      CommandOption(
        "token-file", value: "FILE",
        "a file with the token that whoever asks must know; without it one is made\nup where others than this machine can connect"
      ),
      CommandOption("out", letter: "o", value: "FILE", "write it to a file as it is now, pictures included: x.html"),
      CommandOption("samples", letter: "s", value: "N", "how many samples of a batch to show, 1 to 64 (default 16)"),
    ]
  let command = "sasslctl page"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) [options]",
      about:
        "Shows in a browser what is in the ring now, with what was drawn for it; speed, who waits for whom, the times of\n"
        + "stages, bad files and the configuration. It prints the page's address. It only reads, so it disturbs nothing, and\n"
        + "goes on when the daemon ends or is started again.",
      options: options,
      closing:
        "A browser elsewhere: 'ssh -L 8080:127.0.0.1:8080 MACHINE' there, and --listen 127.0.0.1:8080 here.")
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let samples = try parsed.number("samples", in: 1...64) ?? 16
  if let out = parsed["out"] {
    guard !parsed.has("listen"), !parsed.has("token-file") else {
      throw CommandFailure(.usage, "a page is written to a file with --out or served with --listen, not both")
    }
    try write(try RingPage(samples: samples) { try loadConfiguration(parsed) }.file(), to: out)
    return .success
  }
  let address = try ListenAddress(parsed["listen"] ?? "127.0.0.1:0")
  let given = try parsed["token-file"].map { file throws(HTTPServerError) in try AccessToken(file: file) }
  let page = try RingPage(samples: samples) { try loadConfiguration(parsed) }
  let signals = SignalInbox([SIGTERM, SIGINT])
  // A browser that is closed early is no reason to end.
  signal(SIGPIPE, SIG_IGN)
  let sockets = try ListeningSockets(at: address)
  let token = given ?? (sockets.isReachableFromElsewhere ? AccessToken() : nil)
  let server = try HTTPServer(sockets, token: token) { page.respond(to: $0) }
  for place in server.addresses { print(addressOfPage(at: place, token: token)) }
  fflush(nil)
  while signals.wait(seconds: 3600, nanoseconds: 0) == nil {}
  server.stop()
  return .success
}

/// What to open in a browser: where a server listens at every address of this machine, by the machine's name.
private func addressOfPage(at place: String, token: AccessToken?) -> String {
  var place = place
  for every in ["0.0.0.0:", "[::]:"] where place.hasPrefix(every) {
    place = ProcessInfo.processInfo.hostName + ":" + place.dropFirst(every.count)
  }
  return "http://\(place)/" + (token.map { "?token=" + encoded($0.text) } ?? "")
}
