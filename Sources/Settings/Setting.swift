/// One configuration key of `Root`: its name, what it accepts, and where its value is kept.
///
/// Reading, checking, writing and comparing configurations all go through lists of settings, so a key cannot be known to
/// one of them and forgotten by another.
package struct Setting<Root>: Sendable {
  /// The key within its section.
  package let name: String
  /// What the key accepts, as the end of "must be ...".
  package let accepted: String
  /// What it means, in a few words; empty where the commented configuration says it at more length.
  package let words: String
  /// The value in a configuration, or nil where it is not set there.
  package let value: @Sendable (Root) -> SettingValue?
  /// Puts a value into a configuration; false where it is not accepted.
  package let assign: @Sendable (SettingValue, inout Root) -> Bool

  /// A setting that is kept at `path`, in the form that `read` and `write` convert from and to.
  private init<Value>(
    _ name: String, _ path: WritableKeyPath<Root, Value> & Sendable, accepted: String, words: String = "",
    read: @escaping @Sendable (SettingValue) -> Value?, write: @escaping @Sendable (Value) -> SettingValue
  ) {
    self.name = name
    self.accepted = accepted
    self.words = words
    value = { write($0[keyPath: path]) }
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
  package static func integer<Integer: BinaryInteger & Sendable>(
    _ name: String, _ path: WritableKeyPath<Root, Integer> & Sendable, in range: ClosedRange<Integer>,
    words: String = ""
  ) -> Setting {
    Setting(
      name, path, accepted: "a whole number from \(range.lowerBound) to \(range.upperBound)", words: words,
      read: readInteger(in: range), write: { .integer(Int64($0)) })
  }

  /// A list of different whole numbers, at least one.
  package static func integers(
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
  package static func number(
    _ name: String, _ path: WritableKeyPath<Root, Double> & Sendable, in range: ClosedRange<Double>, words: String = ""
  ) -> Setting {
    Setting(
      name, path, accepted: "a number from \(describe(range))", words: words, read: readNumber(in: range),
      write: { .number($0) })
  }

  /// An interval that numbers are drawn from, written as a list of its bounds.
  package static func interval(
    _ name: String, _ path: WritableKeyPath<Root, ClosedRange<Double>> & Sendable, in range: ClosedRange<Double>,
    words: String = ""
  ) -> Setting {
    Setting(name, path, accepted: intervalAccepted(range), words: words, read: readInterval(in: range), write: write)
  }

  /// One of a few words.
  package static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
    _ name: String, _ path: WritableKeyPath<Root, Choice> & Sendable, words: String = ""
  ) -> Setting {
    Setting(
      name, path, accepted: choices(Choice.self), words: words, read: readChoice(), write: { .string($0.rawValue) })
  }

  /// true or false.
  package static func boolean(_ name: String, _ path: WritableKeyPath<Root, Bool> & Sendable) -> Setting {
    Setting(
      name, path, accepted: "true or false",
      read: { if case .boolean(let boolean) = $0 { boolean } else { nil } }, write: { .boolean($0) })
  }

  /// A text without NUL that `isValid` accepts.
  package static func string(
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
  package static func strings(
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

// MARK: - Settings of a part are settings of the whole

extension Setting {
  /// The same setting of whatever has this at `path`.
  package func within<Whole>(_ path: WritableKeyPath<Whole, Root> & Sendable) -> Setting<Whole> {
    within(get: { $0[keyPath: path] }, set: { $1[keyPath: path] = $0 })
  }

  /// The same setting of whatever has this in the way that `get` and `set` say.
  package func within<Whole>(
    get: @escaping @Sendable (Whole) -> Root?, set: @escaping @Sendable (Root, inout Whole) -> Void
  ) -> Setting<Whole> {
    Setting<Whole>(
      name: name, accepted: accepted, words: words, value: { get($0).flatMap(value) },
      assign: { given, whole in
        guard var part = get(whole), assign(given, &part) else { return false }
        set(part, &whole)
        return true
      })
  }

  /// A setting that is read and written in some other way than at a path.
  package init(
    name: String, accepted: String, words: String = "", value: @escaping @Sendable (Root) -> SettingValue?,
    assign: @escaping @Sendable (SettingValue, inout Root) -> Bool
  ) {
    self.name = name
    self.accepted = accepted
    self.words = words
    self.value = value
    self.assign = assign
  }
}

extension Sequence {
  /// The keys that have a value in `root`, with their values, in the order of the settings.
  package func values<Root>(in root: Root) -> [(key: String, value: SettingValue)] where Element == Setting<Root> {
    compactMap { setting in setting.value(root).map { (setting.name, $0) } }
  }
}
