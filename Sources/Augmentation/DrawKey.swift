import KeyedRandom

/// What all random numbers of one view of one sample in one epoch have in common.
///
/// They do not depend on workers, machines, other views or other samples; and since each number has a purpose of its own, changing one
/// step of a recipe leaves the draws of all others alone.
package struct DrawKey: Sendable, Equatable {
  /// The seed of the stream.
  package let seed: UInt64
  /// The epoch.
  package let epoch: UInt64
  /// The sample's number in the catalog.
  package let sample: UInt64
  /// The view, from 0.
  package let view: Int

  /// The key of a view.
  package init(seed: UInt64, epoch: UInt64, sample: UInt64, view: Int) {
    self.seed = seed
    self.epoch = epoch
    self.sample = sample
    self.view = view
  }

  /// The random numbers for one purpose.
  package func generator(_ purpose: DrawPurpose) -> KeyedGenerator {
    KeyedGenerator(seed: seed, epoch: epoch, sample: sample, view: view, purpose: purpose)
  }

  /// Whether something of this probability happens.
  package func chance(_ probability: Double, _ purpose: DrawPurpose) -> Bool {
    var generator = generator(purpose)
    return generator.chance(probability)
  }

  /// A number from a range, all of it equally likely.
  package func uniform(in range: ClosedRange<Double>, _ purpose: DrawPurpose) -> Double {
    var generator = generator(purpose)
    return generator.uniform(in: range)
  }
}
