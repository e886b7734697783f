import Basics
import Dataset
import Foundation
import Memory
import Testing

@Suite("Reading a sample")
struct SampleBytesTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  /// A catalog whose only sample is the file `name`.
  func catalog(of name: String) throws -> SampleCatalog {
    try SampleCatalog.list(at: folder.write("list", name.utf8))
  }

  @Test("gives the file's bytes", arguments: [1, 4095, 4096, 1_000_003])
  func bytes(size: Int) throws {
    let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try folder.write("a", content)
    #expect(try catalog(of: "a").bytes(of: 0, limit: size) == content)
  }

  @Test("refuses a file above the limit before reading it")
  func tooLarge() throws {
    // Sparse: a terabyte that takes no room, and no time either if it is not read.
    try folder.write("a")
    #expect(truncate(folder.path + "/a", 1 << 40) == 0)
    let catalog = try catalog(of: "a")
    #expect(throws: SampleError.tooLarge(bytes: 1 << 40, limit: 1 << 20)) { try catalog.bytes(of: 0, limit: 1 << 20) }
  }

  @Test("without memory for a file the machine is at fault, and the memory goes on to serve others")
  func outOfMemory() throws {
    // Sparse, and larger than any address space; only memory's own file system has such files.
    let path = "/dev/shm/sassl-dataset-" + UUID().uuidString
    defer { unlink(path) }
    #expect(FileManager.default.createFile(atPath: path, contents: Data("image".utf8)))
    let catalog = try catalog(of: path)
    var memory = GrowingMemory<UInt8>()
    #expect(try catalog.read(0, limit: .max, into: &memory).elementsEqual("image".utf8))
    for size in [1 << 60, Int.max - 1] {
      #expect(truncate(path, size) == 0)
      let error = #expect(throws: SampleError.self) { try catalog.read(0, limit: .max, into: &memory) }
      #expect(error == .unreadable(errno: ENOMEM))
    }
    #expect(truncate(path, .max) == 0)
    #expect(throws: SampleError.tooLarge(bytes: .max, limit: .max)) { try catalog.read(0, limit: .max, into: &memory) }
    #expect(truncate(path, 5) == 0)
    #expect(try catalog.read(0, limit: 5, into: &memory).elementsEqual("image".utf8))
  }

  @Test("does not wait for a writer of a FIFO")
  func fifo() throws {
    #expect(mkfifo(folder.path + "/a", 0o600) == 0)
    let catalog = try catalog(of: "a")
    #expect(throws: SampleError.notARegularFile) { try catalog.bytes(of: 0, limit: 100) }
  }

  @Test("says what stands in a file's place")
  func unsuitable() throws {
    try folder.makeDirectory("directory")
    try folder.write("empty", [])
    try folder.link("loop", to: "loop")
    let expected: [(String, SampleError)] = [
      ("gone", .vanished), ("empty/below", .vanished), ("directory", .notARegularFile), ("empty", .empty),
      ("/dev/zero", .notARegularFile), ("loop", .unreadable(errno: ELOOP)),
      (String(repeating: "x", count: 5000), .unreadable(errno: ENAMETOOLONG)),
    ]
    for (name, error) in expected {
      let catalog = try catalog(of: name)
      #expect(throws: error) { try catalog.bytes(of: 0, limit: 100) }
    }
  }

  @Test("blames the machine where no descriptor is left, and the file otherwise")
  func transient() {
    #expect(SampleError.unreadable(errno: EMFILE).isTransient)
    #expect(SampleError.unreadable(errno: ENFILE).isTransient)
    #expect(SampleError.unreadable(errno: ENOMEM).isTransient)
    for error in [SampleError.unreadable(errno: EACCES), .vanished, .empty, .notARegularFile] {
      #expect(!error.isTransient)
    }
  }

  @Test(
    "blames the machine for what a network or a disk answers, which may be about one file",
    arguments: [
      ESTALE, EIO, ENOTCONN, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH, EREMOTEIO, EKEYEXPIRED,
    ])
  func network(code: Int32) {
    #expect(SampleError.unreadable(errno: code).isTransient)
    #expect(SampleError.unreadable(errno: code).mayConcernOneFile)
    #expect(!SampleError.unreadable(errno: EMFILE).mayConcernOneFile)
    #expect(!SampleError.datasetAway.mayConcernOneFile)
  }

  @Test("a file is deleted, but a folder that holds all of them is away", arguments: [true, false])
  func away(isListOfAbsolutePaths: Bool) throws {
    try folder.makeDirectory("data")
    try folder.write("data/a.png")
    try folder.write("data/b.png")
    let data = folder.path + "/data"
    let catalog =
      isListOfAbsolutePaths
      ? try SampleCatalog.list(at: folder.write("list", "\(data)/a.png\n\(data)/b.png\n".utf8))
      : try SampleCatalog.flatFolder(at: BytePath(data))
    func reading() -> SampleError? {
      do throws(SampleError) {
        _ = try catalog.bytes(of: 0, limit: 100)
        return nil
      } catch {
        return error
      }
    }
    #expect(rename(data, data + "-away") == 0)
    #expect(reading() == .datasetAway)
    #expect(SampleError.datasetAway.isTransient)
    // A mount point on the way back: the name leads to another file system.
    #expect(symlink("/proc", data) == 0)
    #expect(reading() == .datasetAway)
    #expect(unlink(data) == 0)
    #expect(rename(data + "-away", data) == 0)
    #expect(reading() == nil)
    #expect(unlink(data + "/a.png") == 0)
    #expect(reading() == .vanished)
  }

  @Test("notices a file whose size is not what it says")
  func changed() throws {
    // The kernel's own attribute files claim a page and hold a line, like a file truncated after it was opened.
    let attribute = "/sys/kernel/mm/transparent_hugepage/enabled"
    guard FileManager.default.fileExists(atPath: attribute) else { return }
    let catalog = try catalog(of: attribute)
    #expect(throws: SampleError.changedWhileReading(bytesExpected: 4096)) { try catalog.bytes(of: 0, limit: 1 << 20) }
  }

  @Test("leaves no descriptor open")
  func descriptors() throws {
    func highest() -> Int32 {
      let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
      defer { close(descriptor) }
      return descriptor
    }
    try folder.write("a")
    let good = try catalog(of: "a")
    let bad = try catalog(of: "/dev/zero")
    let before = highest()
    for _ in 0..<2000 {
      _ = try good.bytes(of: 0, limit: 100)
      _ = try? bad.bytes(of: 0, limit: 100)
      _ = try? good.bytes(of: 0, limit: 1)
    }
    // Other tests run beside this one and hold a few of their own.
    #expect(highest() < before + 100)
  }
}
