import BatchIndex
import Configuration

extension ServicePlaces {
  /// Opens the index for writing.
  ///
  /// - Parameter whenHalfWritten: called inside each transaction, when only a part of it is written.
  /// - Throws: `PlaceError.cannotOpenIndex`.
  package func openIndex(
    windowBatches: Int, whenHalfWritten: @escaping @Sendable () -> Void = {}
  ) throws(PlaceError) -> BatchIndex {
    do throws(DatabaseError) {
      return try BatchIndex(path: indexPath, windowBatches: windowBatches, whenHalfWritten: whenHalfWritten)
    } catch {
      throw .cannotOpenIndex(reason: error.description)
    }
  }
}
