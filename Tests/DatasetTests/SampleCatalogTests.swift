import Basics
import Dataset
import Foundation
import LongWork
import Testing

@Suite("An image folder")
struct ImageFolderTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test("labels its samples by the order of the class directories")
  func labels() throws {
    for name in ["dog/2.jpg", "dog/10.jpg", "cat/a.png", "Zebra/b.JPEG", "cat/deep/er/c.jpeg"] {
      try folder.write(name)
    }
    let catalog = try SampleCatalog.imageFolder(at: folder.root)
    #expect(catalog.classes == ["Zebra", "cat", "dog"])
    #expect(catalog.relativePaths == ["Zebra/b.JPEG", "cat/a.png", "cat/deep/er/c.jpeg", "dog/10.jpg", "dog/2.jpg"])
    #expect(catalog.labels == [0, 1, 1, 2, 2])
    #expect(catalog.path(of: 0) == BytePath(folder.path + "/Zebra/b.JPEG"))
  }

  @Test("orders samples by directory first, then by name, like torchvision")
  func order() throws {
    // sorted(os.walk(...)) compares whole directory paths, and '-' comes before '/'.
    for name in ["c/z.jpg", "c/a/x.jpg", "c/a/b/x.jpg", "c/a-b/x.jpg", "c/a.jpg", "c/B.jpg"] {
      try folder.write(name)
    }
    let catalog = try SampleCatalog.imageFolder(at: folder.root)
    #expect(
      catalog.relativePaths == ["c/B.jpg", "c/a.jpg", "c/z.jpg", "c/a/x.jpg", "c/a-b/x.jpg", "c/a/b/x.jpg"])
  }

  @Test("takes torchvision's extensions in upper and lower case, and nothing else")
  func extensions() throws {
    let images = ["a.jpg", "b.JPEG", "c.Png", "d.ppm", "e.bmp", "f.pgm", "g.tif", "h.TIFF", "i.webp", ".jpg"]
    for name in images + ["j.gif", "k.txt", "jpg", "l.jpg.part", "m.jp", "n"] {
      try folder.write("c/" + name)
    }
    let catalog = try SampleCatalog.imageFolder(at: folder.root)
    #expect(Set(catalog.relativePaths) == Set(images.map { BytePath("c/" + $0) }))
  }

  @Test("refuses a class without images, as torchvision does")
  func emptyClass() throws {
    for name in ["a/1.jpg", "d/1.jpg", "c/notes.txt"] { try folder.write(name) }
    try folder.makeDirectory("b")
    let error = #expect(throws: DatasetError.emptyClasses(folder.root, ["b", "c"])) {
      try SampleCatalog.imageFolder(at: folder.root)
    }
    #expect(error?.description.contains("(b, c)") == true)
    #expect(error?.description.contains("dataset.exclude") == true)
    let catalog = try SampleCatalog.imageFolder(at: folder.root, excluding: ["b", "c"])
    #expect(catalog.classes == ["a", "d"])
    #expect(catalog.labels == [0, 1])
  }

  @Test("leaves out what programs and systems put beside the pictures, and says so")
  func leftOut() throws {
    for name in ["a/1.jpg", "b/2.jpg"] { try folder.write(name) }
    let before = try SampleCatalog.imageFolder(at: folder.root)
    #expect(before.leftOut.count == 0)
    for name in [
      ".ipynb_checkpoints/1-checkpoint.jpg", "a/.ipynb_checkpoints/1-checkpoint.jpg", ".Trash-1000/files/9.jpg",
      "lost+found/0.jpg", "__MACOSX/a/._1.jpg", "a/._1.jpg", "a/.DS_Store", "b/Thumbs.db",
    ] {
      try folder.write(name)
    }
    try folder.makeDirectory(".empty")
    let catalog = try SampleCatalog.imageFolder(at: folder.root)
    #expect(catalog.classes == before.classes)
    #expect(catalog.fingerprint == before.fingerprint)
    #expect(catalog.leftOut.count == 7)
    let sentence = catalog.leftOut.description
    for words in ["4 hidden folders (", ".ipynb_checkpoints", "2 folders of the system (__MACOSX, lost+found)"] {
      #expect(sentence.contains(words), "\(sentence)")
    }
    #expect(sentence.hasSuffix("1 macOS resource file (a/._1.jpg)"), "\(sentence)")
    #expect(try SampleCatalog.flatFolder(at: folder.root).relativePaths == ["a/1.jpg", "b/2.jpg"])
  }

  @Test("leaves out what a pattern names, by name or by path, before it looks inside")
  func excluded() throws {
    for name in ["a/1.jpg", "a/small/1.jpg", "a/1_mask.png", "b/1.jpg", "b/small/2.jpg", "old/3.jpg"] {
      try folder.write(name)
    }
    func paths(_ patterns: String...) throws -> [BytePath] {
      try SampleCatalog.imageFolder(at: folder.root, excluding: patterns).relativePaths
    }
    #expect(try paths("old", "*_mask.png", "a/small") == ["a/1.jpg", "b/1.jpg", "b/small/2.jpg"])
    #expect(try paths("small", "[ob]*") == ["a/1.jpg", "a/1_mask.png"])
    #expect(try paths("*/small") == ["a/1.jpg", "a/1_mask.png", "b/1.jpg", "old/3.jpg"])
    #expect(try paths("mall", "A") == paths())
    #expect(throws: DatasetError.noClasses(folder.root, images: 0)) { try paths("*") }
  }

  @Test("finds names of any bytes, and opens them")
  func anyBytes() throws {
    let names: [BytePath] = [
      BytePath([0xFF, 0xFE] + ".jpg".utf8), "new\nline.jpg", "tab\t.jpg", " .jpg", "ünï.jpg", "back\\slash.jpg",
    ]
    try folder.makeDirectory("c")
    for (index, name) in names.enumerated() {
      folder.write(BytePath("c").appending(name), "content \(index)")
    }
    let catalog = try SampleCatalog.imageFolder(at: folder.root)
    #expect(Set(catalog.relativePaths) == Set(names.map { BytePath("c").appending($0) }))
    for sample in 0..<catalog.count {
      let index = try #require(names.firstIndex { BytePath("c").appending($0) == catalog.relativePath(of: sample) })
      #expect(try catalog.bytes(of: sample, limit: 100) == Array("content \(index)".utf8))
    }
  }

  @Test("ends where symbolic links form loops, and lists no file twice")
  func loops() throws {
    try folder.write("a/1.jpg")
    try folder.write("a/deep/2.jpg")
    try folder.link("a/deep/up", to: "..")
    try folder.link("a/deep/root", to: "../..")
    try folder.link("a/itself", to: "itself")
    try folder.link("a/also-deep", to: "deep")
    try folder.link("a/gone", to: "nowhere")
    let catalog = try SampleCatalog.imageFolder(at: folder.root)
    #expect(catalog.relativePaths == ["a/1.jpg", "a/deep/2.jpg"])
  }

  @Test("follows links to directories outside, to classes, and to files")
  func links() throws {
    let elsewhere = try TemporaryFolder()
    try elsewhere.write("x/1.jpg")
    try folder.write("a/1.jpg")
    try folder.link("a/out", to: elsewhere.path)
    try folder.link("b", to: "a")
    try folder.link("a/2.jpg", to: "1.jpg")
    let catalog = try SampleCatalog.imageFolder(at: folder.root)
    #expect(
      catalog.relativePaths == [
        "a/1.jpg", "a/2.jpg", "a/out/x/1.jpg", "b/1.jpg", "b/2.jpg", "b/out/x/1.jpg",
      ])
    #expect(catalog.labels == [0, 0, 0, 1, 1, 1])
  }

  @Test("does not multiply where links fan out again and again")
  func fanOut() throws {
    // Entering every path would mean 2^24 visits.
    for level in 0..<24 {
      try folder.makeDirectory("a/d\(level)")
      try folder.link("a/d\(level)/x", to: "../d\(level + 1)")
      try folder.link("a/d\(level)/y", to: "../d\(level + 1)")
    }
    try folder.write("a/d24/1.jpg")
    #expect(try SampleCatalog.imageFolder(at: folder.root).relativePaths == ["a/d24/1.jpg"])
  }

  @Test("reports how many classes are behind it, and how many images it has found")
  func progress() throws {
    for name in ["a/1.jpg", "a/2.jpg", "b/1.jpg"] { try folder.write(name) }
    var reports: [String] = []
    _ = try SampleCatalog.imageFolder(at: folder.root) {
      reports.append("\($0.count!.done) of \($0.count!.total!) \($0.count!.unit), \($0.note)")
    }
    #expect(reports.first == "0 of 2 folders, 0 samples so far")
    #expect(reports.contains("1 of 2 folders, 2 samples so far"))
    #expect(reports.last == "2 of 2 folders, 3 samples so far")
  }

  @Test("reports images while it is still in the middle of one folder")
  func progressInOneFolder() throws {
    for number in 0..<1100 { try folder.write("\(number).jpg") }
    var counts: [Int] = []
    let catalog = try SampleCatalog.flatFolder(at: folder.root) { counts.append($0.count!.done) }
    #expect(catalog.count == 1100)
    #expect(counts.count > 1 && counts[0] < 1100 && counts.last == 1100)
    #expect(counts == counts.sorted())
  }

  @Test("says what is wrong with a folder that it cannot use")
  func errors() throws {
    #expect(throws: DatasetError.notFound(folder.root.appending("no"))) {
      try SampleCatalog.imageFolder(at: folder.root.appending("no"))
    }
    #expect(throws: DatasetError.noClasses(folder.root, images: 0)) { try SampleCatalog.imageFolder(at: folder.root) }
    try folder.write("1.jpg")
    #expect(throws: DatasetError.noClasses(folder.root, images: 1)) { try SampleCatalog.imageFolder(at: folder.root) }
    try folder.makeDirectory("class")
    #expect(throws: DatasetError.noImages(folder.root)) { try SampleCatalog.imageFolder(at: folder.root) }
    #expect(throws: DatasetError.notADirectory(folder.root.appending("1.jpg"))) {
      try SampleCatalog.imageFolder(at: folder.root.appending("1.jpg"))
    }
    let advice = DatasetError.noClasses(folder.root, images: 1).description
    #expect(advice.contains("'flat'"))
  }

  @Test("names the directory that it may not read", .enabled(if: geteuid() != 0, "root may read everything"))
  func unreadable() throws {
    try folder.write("a/1.jpg")
    chmod(folder.path + "/a", 0)
    defer { chmod(folder.path + "/a", 0o755) }
    #expect(throws: DatasetError.unreadable(folder.root.appending("a"), errno: EACCES)) {
      try SampleCatalog.imageFolder(at: folder.root)
    }
  }

  @Test("names a link that it cannot follow, unless that is a picture's or left out")
  func unseen() throws {
    for name in ["a/1.jpg", "c/1.jpg"] { try folder.write(name) }
    // No file system has so long a name, so that not even root can tell what is behind it.
    let tooLong = String(repeating: "x", count: 300)
    try folder.link("c/2.jpg", to: tooLong)
    #expect(try SampleCatalog.imageFolder(at: folder.root).labels == [0, 1, 1])
    try folder.link("b", to: tooLong)
    let error = DatasetError.unreadable(folder.root.appending("b"), errno: ENAMETOOLONG)
    #expect(throws: error) { try SampleCatalog.imageFolder(at: folder.root) }
    #expect(throws: error) { try SampleCatalog.flatFolder(at: folder.root) }
    #expect(throws: error) { try SampleCatalog.shards(at: folder.root) }
    #expect(try SampleCatalog.imageFolder(at: folder.root, excluding: ["b"]).labels == [0, 1, 1])
    try folder.link("a/deep", to: tooLong)
    #expect(throws: DatasetError.unreadable(folder.root.appending("a/deep"), errno: ENAMETOOLONG)) {
      try SampleCatalog.imageFolder(at: folder.root, excluding: ["b"])
    }
  }

  @Test("holds many samples, each found by its number")
  func many() throws {
    for name in 0..<1000 {
      try folder.write("\(name % 7)/\(name).jpg", [])
    }
    let catalog = try SampleCatalog.imageFolder(at: folder.root)
    let expected = (0..<7).flatMap { label in
      (0..<1000).filter { $0 % 7 == label }.map { "\(label)/\($0).jpg" }.sorted()
    }
    #expect(catalog.relativePaths == expected.map { BytePath($0) })
  }
}

@Suite("A flat folder")
struct FlatFolderTests {
  @Test("holds every image below it, unlabelled")
  func everyImage() throws {
    let folder = try TemporaryFolder()
    for name in ["b.jpg", "a.png", "deep/c.jpg", "notes.txt"] { try folder.write(name) }
    let catalog = try SampleCatalog.flatFolder(at: folder.root)
    #expect(catalog.relativePaths == ["a.png", "b.jpg", "deep/c.jpg"])
    #expect(catalog.labels == [-1, -1, -1])
    #expect(catalog.classes.isEmpty)
  }
}

@Suite("A list of paths")
struct ListTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  func catalog(_ content: some Sequence<UInt8>) throws -> SampleCatalog {
    try SampleCatalog.list(at: folder.write("list.txt", content))
  }

  @Test("gives paths in its own order, relative to its folder")
  func paths() throws {
    try folder.write("x/b.jpg", "b".utf8)
    let catalog = try catalog("x/b.jpg\n/absolute/a.jpg\nx/b.jpg\n".utf8)
    #expect(catalog.relativePaths == ["x/b.jpg", "/absolute/a.jpg", "x/b.jpg"])
    #expect(catalog.labels == [-1, -1, -1])
    #expect(try catalog.bytes(of: 2, limit: 10) == Array("b".utf8))
    #expect(catalog.path(of: 1) == "/absolute/a.jpg")
  }

  @Test("takes a label after the last tab")
  func labels() throws {
    let catalog = try catalog("a.jpg\t7\nb\ttab.jpg\t0\nc.jpg\nd.jpg\t-1".utf8)
    #expect(catalog.relativePaths == ["a.jpg", "b\ttab.jpg", "c.jpg", "d.jpg"])
    #expect(catalog.labels == [7, 0, -1, -1])
  }

  @Test("skips empty lines, carriage returns and a byte order mark")
  func whitespace() throws {
    let catalog = try catalog([0xEF, 0xBB, 0xBF] + "a.jpg\r\n\r\n\n b.jpg \t3\r\n".utf8)
    #expect(catalog.relativePaths == ["a.jpg", " b.jpg "])
    #expect(catalog.labels == [-1, 3])
  }

  @Test("takes entries that end with NUL, newlines and all")
  func nulSeparated() throws {
    let catalog = try catalog("new\nline.jpg\0b.jpg\t2\0".utf8)
    #expect(catalog.relativePaths == ["new\nline.jpg", "b.jpg"])
    #expect(catalog.labels == [-1, 2])
  }

  @Test("names the line that it does not understand")
  func badLines() throws {
    let list = folder.root.appending("list.txt")
    #expect(throws: DatasetError.badLine(list, line: 3, .label("cat"))) { try catalog("a\n\nb\tcat\n".utf8) }
    #expect(throws: DatasetError.badLine(list, line: 1, .label("-2"))) { try catalog("a\t-2\n".utf8) }
    #expect(throws: DatasetError.badLine(list, line: 1, .label(""))) { try catalog("a\t\n".utf8) }
    #expect(throws: DatasetError.badLine(list, line: 2, .emptyPath)) { try catalog("a\n\t5\n".utf8) }
    #expect(throws: DatasetError.badLine(list, line: 1, .label("9223372036854775808"))) {
      try catalog("a\t9223372036854775808\n".utf8)
    }
  }

  @Test("expects a tab before the label, and says so where a blank or a comma stands there")
  func separators() throws {
    let list = folder.root.appending("list.txt")
    try folder.write("a b.jpg")
    try folder.write("c.jpg 7")
    for (line, separator) in [("a b.jpg 3", " "), ("a b.jpg,3", ","), ("a b.jpg  -1", " ")] as [(String, Character)] {
      let error = #expect(throws: DatasetError.badLine(list, line: 2, .separator(separator))) {
        try catalog("\n\(line)\n".utf8)
      }
      #expect(error?.description.hasSuffix("Write a tab there.") == true)
    }
    // Files that are called so, or that are not there at all.
    for line in ["c.jpg 7", "gone.jpg 7", "a b.jpg", " 7", "7"] {
      #expect(try catalog("\(line)\n".utf8).relativePaths == [BytePath(line)])
    }
  }

  @Test("says so when it is missing, empty or a directory")
  func unusable() throws {
    #expect(throws: DatasetError.notFound(folder.root.appending("no"))) {
      try SampleCatalog.list(at: folder.root.appending("no"))
    }
    #expect(throws: DatasetError.noImages(folder.root.appending("list.txt"))) { try catalog("".utf8) }
    #expect(throws: DatasetError.noImages(folder.root.appending("list.txt"))) { try catalog("\n\n".utf8) }
    #expect(throws: DatasetError.self) { try SampleCatalog.list(at: folder.root) }
  }
}

@Suite("A catalog's fingerprint")
struct CatalogFingerprintTests {
  static func fingerprint(of content: String) throws -> Fingerprint {
    let folder = try TemporaryFolder()
    return try SampleCatalog.list(at: folder.write("list", content.utf8)).fingerprint
  }

  @Test("depends on paths, labels and order, and not on where the folder is")
  func contents() throws {
    let original = try Self.fingerprint(of: "a\t1\nb\t2\n")
    #expect(try Self.fingerprint(of: "a\t1\nb\t2") == original)
    let others = try ["b\t2\na\t1", "a\t1\nb\t3", "a\nb", "a\t1\nb\t2\nc", "a\t1", "a\t1\nB\t2", "ab\t1\n2"]
      .map { try Self.fingerprint(of: $0) }
    #expect(Set(others + [original]).count == others.count + 1)
  }

  @Test("is FNV-1a over path, NUL and label")
  func definition() throws {
    // Published test vectors of FNV-1a with 64 bits.
    #expect(Fingerprint { _ in }.description == "cbf29ce484222325")
    #expect(Fingerprint { $0.append(bytes: "a".utf8) }.description == "af63dc4c8601ec8c")
    #expect(Fingerprint { $0.append(bytes: "foobar".utf8) }.description == "85944171f73967e8")
    let expected = Fingerprint { $0.append(bytes: Array("a".utf8) + [0, 2, 1, 0, 0, 0, 0, 0, 0]) }
    #expect(try Self.fingerprint(of: "a\t258") == expected)
  }
}
