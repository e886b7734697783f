/// A number, or a few, that a step draws for a view, as a column with an entry for each sample: what trainers that predict the augmentation
/// from the views, or undo it, learn from.
///
/// Steps declare their columns themselves; ``DrawnColumns/all`` lists those of all steps.
package struct DrawnColumn: Sendable {
  /// How one number is stored.
  package enum ElementType: String, Sendable, CaseIterable {
    /// Yes or no, in one byte.
    case bool
    case int32
    case int64
    case float32

    /// Bytes of one number.
    package var byteCount: Int {
      switch self {
      case .bool: 1
      case .int32, .float32: 4
      case .int64: 8
      }
    }
  }

  /// What it is called within its view.
  package let name: String
  /// How its numbers are stored.
  package let type: ElementType
  /// How many numbers there are for each sample; `nil` for one, without an axis of its own.
  package let length: Int?
  /// What it holds, its unit and its range, and what it holds where the step did not happen.
  package let words: String
  /// What it holds where the step did not happen.
  private let otherwise: [Double]
  /// The numbers of a draw.
  private let numbers: @Sendable (any Sendable) -> [Double]?

  private init(
    _ name: String, _ type: ElementType, length: Int?, words: String, otherwise: [Double],
    numbers: @escaping @Sendable (any Sendable) -> [Double]?
  ) {
    self.name = name
    self.type = type
    self.length = length
    self.words = words
    self.otherwise = otherwise
    self.numbers = numbers
  }

  /// Whether a step happened.
  static func happened(_ step: any AugmentationStep.Type) -> DrawnColumn {
    DrawnColumn(
      step.name, .bool, length: nil, words: "whether \(step.title) was applied", otherwise: [0], numbers: { _ in [1] })
  }

  /// One number of a draw.
  ///
  /// - Parameters:
  ///   - otherwise: the number where the step did not happen.
  ///   - value: takes it from the draw.
  static func number<Draw: Sendable>(
    _ name: String, of draw: Draw.Type, otherwise: Double, words: String, value: @escaping @Sendable (Draw) -> Double
  ) -> DrawnColumn {
    DrawnColumn(
      name, .float32, length: nil, words: words, otherwise: [otherwise], numbers: { ($0 as? Draw).map { [value($0)] } })
  }

  /// One whole number of a draw, such as the number of a sample.
  static func identifier<Draw: Sendable>(
    _ name: String, of draw: Draw.Type, otherwise: Int64, words: String, value: @escaping @Sendable (Draw) -> Int64
  ) -> DrawnColumn {
    DrawnColumn(
      name, .int64, length: nil, words: words, otherwise: [Double(otherwise)],
      numbers: { ($0 as? Draw).map { [Double(value($0))] } })
  }

  /// Several whole numbers of a draw.
  static func integers<Draw: Sendable>(
    _ name: String, of draw: Draw.Type, count: Int, otherwise: Int, words: String,
    value: @escaping @Sendable (Draw) -> [Int]
  ) -> DrawnColumn {
    DrawnColumn(
      name, .int32, length: count, words: words, otherwise: [Double](repeating: Double(otherwise), count: count),
      numbers: { ($0 as? Draw).map { value($0).map { Double($0) } } })
  }

  /// Bytes of the numbers of one sample.
  package var bytesPerSample: Int { (length ?? 1) * type.byteCount }

  /// Writes the numbers of a draw, or without one what stands for it, as the entry of the sample at `position` of the column that begins at
  /// `column`.
  package func write(_ draw: (any Sendable)?, at position: Int, to column: UnsafeMutableRawPointer) {
    let entry = column + position * bytesPerSample
    for (index, number) in (draw.flatMap(numbers) ?? otherwise).enumerated() {
      switch type {
      case .bool: entry.storeBytes(of: number != 0 ? 1 : 0, toByteOffset: index, as: UInt8.self)
      case .int32: entry.storeBytes(of: Int32(number), toByteOffset: index * 4, as: Int32.self)
      case .int64: entry.storeBytes(of: Int64(number), toByteOffset: index * 8, as: Int64.self)
      case .float32: entry.storeBytes(of: Float(number), toByteOffset: index * 4, as: Float.self)
      }
    }
  }
}

/// The columns of what is drawn that each view has, if they are wanted.
package enum DrawnColumns {
  /// Every column in its order, with the name of the step that it is of: those of the crop, then for each step whether it happened, and
  /// what it drew. All views have all of them, so that programs need not ask which steps a recipe has.
  package static let all: [(step: String, column: DrawnColumn)] =
    RandomResizedCrop.columns.map { (RandomResizedCrop.name, $0) }
    + AugmentationSteps.all.flatMap { step in
      ([.happened(step)] + step.columns).map { (step.name, $0) }
    }
}
