/// What a random number is drawn for.
///
/// The purpose is part of the key of every draw, so draws for different purposes are independent: a recipe that stops
/// drawing one number leaves all others as they were. Each purpose is declared where its number is drawn. Their numbers are part of what
/// makes a stream reproducible: never change or use one again, only add.
package struct DrawPurpose: Hashable, Sendable {
  /// The number that stands for it in the key.
  package let rawValue: UInt16

  /// The purpose of this number.
  package init(_ rawValue: UInt16) { self.rawValue = rawValue }

  /// The order of the samples within an epoch.
  package static let epochOrder = DrawPurpose(1)
  /// Which sample stands in for one that cannot be read.
  package static let replacement = DrawPurpose(2)
}
