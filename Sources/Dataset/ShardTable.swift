import Basics
import Glibc

/// What lies where in one tar shard: its pictures by name, each with its place and its label.
///
/// It holds every member that has the name of a picture, also those that a configuration leaves out, so that it is true whatever the
/// configuration says.
struct ShardTable: Sendable {
  /// A shard file as it was when its table was made; a file that differs in any of this is another one.
  struct Identity: Equatable, Sendable {
    /// In bytes.
    let size: Int64
    /// When it was last written, in nanoseconds since 1970.
    let modified: Int64

    init(size: Int64, modified: Int64) {
      self.size = size
      self.modified = modified
    }

    init(_ status: stat) {
      size = Int64(status.st_size)
      modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    }
  }

  /// How a picture is stored.
  enum Storage: UInt8, Sendable {
    /// As its bytes, one after the other.
    case plain
    /// With its zeros left out (GNU tar's `--sparse`), so its bytes do not lie one after the other.
    case sparse
    /// As a link to another member or file.
    case link
    /// Compressed by itself, `picture.jpg.gz`.
    case compressed
    /// Not at all: a manifest names it, and it is not there.
    case missing
  }

  /// Where one picture lies.
  struct Member: Equatable, Sendable {
    /// Of its first byte, in the shard file.
    var offset: Int64
    /// In bytes.
    var size: Int64
    /// From the file of the same key that has the labels; -1 where there is none.
    var label: Int64
    /// A hash of the header block right before the bytes: where it is another one, so is the picture behind it.
    var headerHash: UInt32
    var storage: Storage

    /// One that a manifest names, and that is not there.
    static let missing = Member(offset: 0, size: 0, label: -1, headerHash: 0, storage: .missing)
  }

  let identity: Identity
  /// The pictures' names in the archive, without a leading `./`, in the order of `PathTable.sortedIndicesByDirectory`.
  let names: PathTable
  /// The pictures, in the order of their names.
  let members: [Member]
  /// Whether any member had a label.
  let isLabelled: Bool

  /// The bytes of a tar header, and what the bytes of a member are filled up to.
  static let blockSize = 512

  /// The hash of a header block.
  static func hash(ofHeader block: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(truncatingIfNeeded: Fingerprint { $0.append(bytes: block) }.rawValue)
  }

  /// The key of a member: its name up to the first dot of its last component, as WebDataset defines it; nil where a name has no key,
  /// because that component has no dot or begins with one.
  static func key(of name: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
    let file = (name.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)
    guard let dot = name[file...].firstIndex(of: UInt8(ascii: ".")), dot > file else { return nil }
    return UnsafeBufferPointer(rebasing: name[..<dot])
  }
}
