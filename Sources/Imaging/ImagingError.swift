import ImageFormats
import Memory

/// Why bytes could not become pixels, or pixels bytes. The description is a sentence for the person who has to act.
package enum ImagingError: Error, Equatable, Sendable {
  /// The file has no bytes at all.
  case empty
  /// The file is of none of the formats that are decoded, but something else.
  case unknownFormat(ForeignFile)
  /// The file has more bytes than the limit.
  case tooManyBytes(count: Int, limit: Int)
  /// The header announces more pixels than the limit; nothing was allocated for them.
  case tooManyPixels(width: Int, height: Int, limit: Int)
  /// The file ends before its picture does.
  case truncated(format: ImageFormat, detail: String)
  /// The file's data contradict themselves; `detail` is the decoder's own message.
  case corrupt(format: ImageFormat, detail: String)
  /// A valid file of a kind that is not decoded.
  case unsupported(format: ImageFormat, detail: String)
  /// There is no memory for decoding or encoding; nothing is known about the file.
  case outOfMemory(detail: String)
  /// Pixels could not be written as a file.
  case notEncoded(format: ImageFormat, detail: String)

  /// A short stable word for counting by reason, for example `truncated`.
  package var reason: String {
    switch self {
    case .empty: "empty"
    case .unknownFormat: "unknown-format"
    case .tooManyBytes: "too-many-bytes"
    case .tooManyPixels: "too-many-pixels"
    case .truncated: "truncated"
    case .corrupt: "corrupt"
    case .unsupported: "unsupported"
    case .outOfMemory: "out-of-memory"
    case .notEncoded: "not-encoded"
    }
  }

  /// Whether the machine is at fault and not the file, so that trying again is right and replacing the picture is not.
  package var isTransient: Bool {
    if case .outOfMemory = self { true } else { false }
  }
}

extension ImagingError: CustomStringConvertible {
  /// One sentence that says what is wrong and, where somebody can do something, what.
  package var description: String {
    switch self {
    case .empty:
      "the file is empty; restore it from its source or remove it"
    case .unknownFormat(let file):
      "the file is not a \(ImageFormat.names) picture but \(file.description); \(file.remedy)"
    case .tooManyBytes(let count, let limit):
      "the file has \(count) bytes, more than the limit of \(limit); raise the limit or shrink the file"
    case .tooManyPixels(let width, let height, let limit):
      "the header announces \(width) x \(height) pixels, more than the limit of \(limit); raise the limit or shrink the picture"
    case .truncated(let format, let detail):
      "the \(format.name) file ends before its picture does (\(detail)); restore it from its source"
    case .corrupt(let format, let detail):
      "the \(format.name) data are damaged (\(detail)); restore the file from its source"
    case .unsupported(let format, let detail):
      "this kind of \(format.name) file cannot be decoded (\(detail)); convert it to 8-bit RGB"
    case .outOfMemory(let detail):
      "there is not enough memory (\(detail)); free some, or raise the process's limit"
    case .notEncoded(let format, let detail):
      "the picture could not be written as \(format.name) (\(detail))"
    }
  }
}

extension GrowingMemory {
  /// As `reserve`, with the error that callers of this module know; `purpose` says what lacks the memory.
  mutating func reserve(_ count: Int, for purpose: String) throws(ImagingError) -> UnsafeMutablePointer<Element> {
    do throws(MemoryRefused) {
      return try reserve(count)
    } catch {
      throw .outOfMemory(detail: "\(error.bytes) bytes for \(purpose)")
    }
  }
}
