import Foundation
import Imaging
import Testing

/// The golden pictures of this folder: one binary file of pixels and a JSON file that says what they are.
struct Goldens {
  struct Entry: Decodable, CustomTestStringConvertible, Sendable {
    let width: Int
    let height: Int
    let offset: Int
    var operation: String?
    var source: String?
    var file: String?
    var parameters: Parameters?

    var testDescription: String { "\(operation ?? "file") \(source ?? file ?? "") \(parameters?.description ?? "")" }
  }

  struct Parameters: Decodable, CustomStringConvertible, Sendable {
    var x, y, width, height, kernel: Int?
    var filter: String?
    var factor, shift, sigma, threshold: Double?

    var description: String {
      let numbers = [x, y, width, height, kernel].compactMap { $0 }.map(String.init)
      return (numbers + [factor, shift, sigma, threshold].compactMap { $0 }.map { String($0) } + [filter ?? ""])
        .joined(separator: " ")
    }
  }

  static let operations = Goldens(name: "operations")
  static let files = Goldens(name: "files")

  let entries: [Entry]
  private let pixels: [UInt8]

  private init(name: String) {
    do {
      entries = try JSONDecoder().decode([Entry].self, from: Self.contents(of: name + ".json"))
      pixels = try [UInt8](Self.contents(of: name + ".bin"))
    } catch {
      fatalError("the golden files are part of the checkout: \(error)")
    }
  }

  static func contents(of file: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(file)"))
  }

  func image(_ entry: Entry) -> RGBImage {
    let image = RGBImage(width: entry.width, height: entry.height)
    _ = image.pixels.bytes.update(fromContentsOf: pixels[entry.offset..<(entry.offset + image.pixels.byteCount)])
    return image
  }

  func source(_ name: String) -> RGBImage {
    image(entries.first { $0.operation == "source" && $0.source == name }!)
  }
}

/// How far two pictures of one size are apart, in units of 1/255.
struct Difference {
  let mean: Double
  let largest: Int

  init(_ one: RGBImage, _ other: RGBImage) {
    precondition(one.width == other.width && one.height == other.height)
    let differences = zip(one.pixels.bytes, other.pixels.bytes).map { abs(Int($0) - Int($1)) }
    mean = Double(differences.reduce(0, +)) / Double(differences.count)
    largest = differences.max()!
  }
}
