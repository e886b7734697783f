import Basics
import Glibc

/// Why a model, a style bank or a picture was refused: what is wrong, where, and what to do about it.
///
/// For example:
///
///     do {
///       let model = try StyleModel(contentsOf: url)
///     } catch let error where error.code == .unreadable {
///       print(error)  // "/models/lite.safetensors: cannot be read: No such file or directory; ..."
///     }
package struct ModelError: Error, Sendable, Equatable {
  /// The kind of a refusal, for programs; the words are in ``ModelError/problem`` and ``ModelError/remedy``.
  package enum Code: String, Sendable, CaseIterable {
    /// The file cannot be opened or read.
    case unreadable
    /// The file cannot be written.
    case unwritable
    /// The bytes are not a well-formed safetensors file.
    case malformedFile
    /// A metadata entry is missing or is not what ``StyleModel`` or ``StyleBank`` needs.
    case invalidMetadata
    /// The `architecture` entry describes no network this program can run.
    case invalidArchitecture
    /// A tensor is missing, surplus, of the wrong shape or type, or holds a number that is not finite.
    case invalidTensor
    /// An embedding was asked of a model that has only a transformer.
    case noPredictor
    /// The sides of a picture do not suit the transformer.
    case invalidPictureSize
    /// An embedding does not have the model's length.
    case invalidEmbedding
    /// The embeddings of a bank are of another model.
    case otherModel
    /// A bank has no Gaussian to draw styles from.
    case noDistribution
  }

  /// The kind of the refusal.
  package let code: Code
  /// Where it happened: a file, a tensor, a metadata key, an argument.
  package let place: String
  /// What is wrong there.
  package let problem: String
  /// What to do about it.
  package let remedy: String
  /// Whether the machine is at fault and not the file, so that trying again is right.
  package let isTransient: Bool

  init(_ code: Code, at place: String, _ problem: String, remedy: String, isTransient: Bool = false) {
    self.code = code
    self.place = place
    self.problem = problem
    self.remedy = remedy
    self.isTransient = isTransient
  }

  /// A file that cannot be opened or read.
  ///
  /// - Parameters:
  ///   - problem: what is wrong with it, without the system's reason.
  ///   - errno: the system's reason, where it gave one.
  package static func unreadable(_ path: String, _ problem: String, errno: Int32? = nil) -> ModelError {
    let isTransient = errno.map { isFaultOfTheMachine(errno: $0) } ?? false
    let reason = errno.map { ": " + String(cString: strerror($0)) } ?? ""
    let remedy =
      isTransient
      ? "look after the disk, the network and its server, or what the machine is short of"
      : "name a safetensors file that this user may read"
    return ModelError(.unreadable, at: path, problem + reason, remedy: remedy, isTransient: isTransient)
  }

  /// A file that cannot be written.
  package static func unwritable(_ path: String, reason: String) -> ModelError {
    ModelError(
      .unwritable, at: path, "cannot be written: \(reason)",
      remedy: "name a file in a directory that this user may write to")
  }
}

extension ModelError: CustomStringConvertible {
  /// One sentence: place, problem and remedy.
  package var description: String { "\(place): \(problem); \(remedy)" }
}
