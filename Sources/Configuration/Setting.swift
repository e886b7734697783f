/// One configuration key of `Root`: its name, what it accepts, and where its value is kept.
///
/// Reading, checking, writing and comparing configurations all go through lists of settings, so a key cannot be known to
/// one of them and forgotten by another.
struct Setting<Root>: Sendable {
  /// The key within its section.
  let name: String
  /// What the key accepts, as the end of "must be ...".
  let accepted: String
  /// The value in a configuration, or nil where it is not set there.
  let value: @Sendable (Root) -> SettingValue?
  /// Puts a value into a configuration; false where it is not accepted.
  let assign: @Sendable (SettingValue, inout Root) -> Bool

  /// A setting that is kept at `path`, in the form that `read` and `write` convert from and to.
  private init<Value>(
    _ name: String, _ path: WritableKeyPath<Root, Value> & Sendable, accepted: String,
    read: @escaping @Sendable (SettingValue) -> Value?, write: @escaping @Sendable (Value) -> SettingValue
  ) {
    self.name = name
    self.accepted = accepted
    value = { write($0[keyPath: path]) }
    assign = { value, root in
      guard let value = read(value) else { return false }
      root[keyPath: path] = value
      return true
    }
  }

  /// A setting as above that may be left unset.
  private init<Value>(
    optional name: String, _ path: WritableKeyPath<Root, Value?> & Sendable, accepted: String,
    read: @escaping @Sendable (SettingValue) -> Value?, write: @escaping @Sendable (Value) -> SettingValue
  ) {
    self.name = name
    self.accepted = accepted
    value = { $0[keyPath: path].map(write) }
    assign = { value, root in
      guard let value = read(value) else { return false }
      root[keyPath: path] = value
      return true
    }
  }
}

// MARK: - Kinds of values

extension Setting {
  private static func readInteger<Integer: BinaryInteger>(
    in range: ClosedRange<Integer>
  ) -> @Sendable (SettingValue) -> Integer? where Integer: Sendable {
    { value in
      guard case .integer(let integer) = value, let integer = Integer(exactly: integer) else { return nil }
      return range.contains(integer) ? integer : nil
    }
  }

  private static func readNumber(in range: ClosedRange<Double>) -> @Sendable (SettingValue) -> Double? {
    { $0.asNumber.flatMap { range.contains($0) ? $0 : nil } }
  }

  private static func readInterval(in range: ClosedRange<Double>) -> @Sendable (SettingValue) -> ClosedRange<Double>? {
    { value in
      guard case .list(let bounds) = value, bounds.count == 2, let lower = bounds[0].asNumber,
        let upper = bounds[1].asNumber, lower <= upper, range.contains(lower), range.contains(upper)
      else { return nil }
      return lower...upper
    }
  }

  private static func readChoice<Choice: RawRepresentable<String> & Sendable>() -> @Sendable (SettingValue) -> Choice? {
    { value in
      if case .string(let text) = value { Choice(rawValue: text) } else { nil }
    }
  }

  private static func choices<Choice: RawRepresentable<String> & CaseIterable>(_ type: Choice.Type) -> String {
    "one of " + type.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
  }

  private static func write(_ interval: ClosedRange<Double>) -> SettingValue {
    .list([.number(interval.lowerBound), .number(interval.upperBound)])
  }

  private static func describe(_ range: ClosedRange<Double>) -> String {
    "\(SettingValue.number(range.lowerBound).toml) to \(SettingValue.number(range.upperBound).toml)"
  }

  private static func intervalAccepted(_ range: ClosedRange<Double>) -> String {
    "[lowest, highest], two numbers from \(describe(range)), for example \(write(range).toml)"
  }

  /// A whole number.
  static func integer<Integer: BinaryInteger & Sendable>(
    _ name: String, _ path: WritableKeyPath<Root, Integer> & Sendable, in range: ClosedRange<Integer>
  ) -> Setting {
    Setting(
      name, path, accepted: "a whole number from \(range.lowerBound) to \(range.upperBound)",
      read: readInteger(in: range), write: { .integer(Int64($0)) })
  }

  /// A whole number that may be left unset.
  static func integer<Integer: BinaryInteger & Sendable>(
    _ name: String, _ path: WritableKeyPath<Root, Integer?> & Sendable, in range: ClosedRange<Integer>
  ) -> Setting {
    Setting(
      optional: name, path, accepted: "a whole number from \(range.lowerBound) to \(range.upperBound)",
      read: readInteger(in: range), write: { .integer(Int64($0)) })
  }

  /// A list of different whole numbers, at least one.
  static func integers(
    _ name: String, _ path: WritableKeyPath<Root, [Int]> & Sendable, in range: ClosedRange<Int>
  ) -> Setting {
    let readOne: @Sendable (SettingValue) -> Int? = readInteger(in: range)
    return Setting(
      name, path,
      accepted: "a list of different whole numbers from \(range.lowerBound) to \(range.upperBound), for example [0, 1]",
      read: { value in
        guard case .list(let values) = value else { return nil }
        let numbers = values.compactMap(readOne)
        return numbers.count == values.count && !numbers.isEmpty && Set(numbers).count == numbers.count ? numbers : nil
      },
      write: { .list($0.map { .integer(Int64($0)) }) })
  }

  /// A number, also written without a decimal point.
  static func number(
    _ name: String, _ path: WritableKeyPath<Root, Double> & Sendable, in range: ClosedRange<Double>
  ) -> Setting {
    Setting(
      name, path, accepted: "a number from \(describe(range))", read: readNumber(in: range), write: { .number($0) })
  }

  /// A number that may be left unset.
  static func number(
    _ name: String, _ path: WritableKeyPath<Root, Double?> & Sendable, in range: ClosedRange<Double>
  ) -> Setting {
    Setting(
      optional: name, path, accepted: "a number from \(describe(range))", read: readNumber(in: range),
      write: { .number($0) })
  }

  /// An interval that numbers are drawn from, written as a list of its bounds.
  static func interval(
    _ name: String, _ path: WritableKeyPath<Root, ClosedRange<Double>> & Sendable, in range: ClosedRange<Double>
  ) -> Setting {
    Setting(name, path, accepted: intervalAccepted(range), read: readInterval(in: range), write: write)
  }

  /// An interval that may be left unset.
  static func interval(
    _ name: String, _ path: WritableKeyPath<Root, ClosedRange<Double>?> & Sendable, in range: ClosedRange<Double>
  ) -> Setting {
    Setting(optional: name, path, accepted: intervalAccepted(range), read: readInterval(in: range), write: write)
  }

  /// One of a few words.
  static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
    _ name: String, _ path: WritableKeyPath<Root, Choice> & Sendable
  ) -> Setting {
    Setting(name, path, accepted: choices(Choice.self), read: readChoice(), write: { .string($0.rawValue) })
  }

  /// One of a few words, which may be left unset.
  static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
    _ name: String, _ path: WritableKeyPath<Root, Choice?> & Sendable
  ) -> Setting {
    Setting(optional: name, path, accepted: choices(Choice.self), read: readChoice(), write: { .string($0.rawValue) })
  }

  /// true or false.
  static func boolean(_ name: String, _ path: WritableKeyPath<Root, Bool> & Sendable) -> Setting {
    Setting(
      name, path, accepted: "true or false",
      read: { if case .boolean(let boolean) = $0 { boolean } else { nil } }, write: { .boolean($0) })
  }

  /// A text without NUL that `isValid` accepts.
  static func string(
    _ name: String, _ path: WritableKeyPath<Root, String> & Sendable, accepted: String,
    isValid: @escaping @Sendable (String) -> Bool = { _ in true }
  ) -> Setting {
    Setting(
      name, path, accepted: accepted,
      read: { value in
        guard case .string(let text) = value, !text.utf8.contains(0), isValid(text) else { return nil }
        return text
      },
      write: { .string($0) })
  }

  /// A list of texts without NUL that `isValid` accepts; it may be empty.
  static func strings(
    _ name: String, _ path: WritableKeyPath<Root, [String]> & Sendable, accepted: String,
    isValid: @escaping @Sendable (String) -> Bool
  ) -> Setting {
    Setting(
      name, path, accepted: accepted,
      read: { value in
        guard case .list(let values) = value else { return nil }
        let texts = values.compactMap { value -> String? in
          guard case .string(let text) = value, !text.utf8.contains(0), isValid(text) else { return nil }
          return text
        }
        return texts.count == values.count ? texts : nil
      },
      write: { .list($0.map { .string($0) }) })
  }
}
