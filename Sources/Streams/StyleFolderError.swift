import Pipeline

/// Why a folder of style pictures cannot be used.
package enum StyleFolderError: Error, Sendable, CustomStringConvertible {
  /// The machine lacks what reading a picture needs. Left out for that, the picture would leave its number to the next one, and the
  /// stream would be another.
  case machineAtFault(Shortage)
  /// No picture can be used; the reason is that of the first.
  case nothingUsable(folder: String, reason: String)

  package var description: String {
    switch self {
    case .machineAtFault(let shortage): shortage.description
    case .nothingUsable(let folder, let reason):
      "none of the pictures in the style folder \(folder) can be used: \(reason)"
    }
  }
}
