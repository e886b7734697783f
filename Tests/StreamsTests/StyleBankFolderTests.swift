import Foundation
import Imaging
import Streams
import StyleTransfer
import Testing

@Suite("A style bank made of a folder")
struct StyleBankFolderTests {
  @Test("has the embeddings that the reference engine gives, and is read back as it was made")
  func embeddings() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sassl-bank-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let sizes = [(40, 30), (300, 280), (256, 256)]
    for (number, (width, height)) in sizes.enumerated() {
      let picture = RGBImage(width: width, height: height)
      let bytes = picture.pixels.bytes
      for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index * (number + 3) + index / 11) }
      let file = Data(try withExtendedLifetime(picture) { try PNGFile.encode(picture.pixels) })
      try file.write(to: folder.appending(path: "\(number).png"))
    }
    let out = folder.appending(path: "bank.safetensors")
    var told: [Int] = []
    let (bank, refused) = try StyleBank.export(
      folder.path, to: out.path, model: ModelLocation(""), licence: "CC0-1.0", limits: .standard
    ) { told.append($0.count!.done * 10 + $0.count!.total!) }
    #expect(told == [3, 13, 23, 33])
    #expect(refused.isEmpty)
    let read = try StyleBank.named(
      out.path, for: .embedded, modelFingerprint: ModelLocation("").loadWithFingerprint().1)
    #expect(read.entries == bank.entries)
    #expect(read.distribution == bank.distribution && read.distribution != nil)

    let reference = try StyleEmbedder(model: StyleModel.embedded.onReferenceEngine, limits: .standard)
    for (number, entry) in bank.entries.enumerated() {
      #expect(entry.name == "\(number).png")
      let file = try Data(contentsOf: folder.appending(path: entry.name))
      let expected = try file.withUnsafeBytes { try reference.embed(file: $0) }
      let distance = zip(entry.embedding.values, expected.values).map { abs($0 - $1) }.max()!
      // As close as the engines are to each other (FastEngineTests): single precision, in another order.
      #expect(distance <= 1e-3, "\(entry.name)")
    }
  }
}
