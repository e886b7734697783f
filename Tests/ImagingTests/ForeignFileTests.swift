import ImageFormats
import Imaging
import Testing

@Suite("Files that are no pictures of ours are called what they are")
struct ForeignFileTests {
  @Test(
    "by their first bytes",
    arguments: [
      ("\0\0\0\u{20}ftypavif\0\0\0\0", "an AVIF picture"),
      ("\0\0\0\u{24}ftypheic\0\0\0\0", "a HEIC picture"),
      ("\0\0\0\u{20}ftypisom\0\0\0\0", "a film"),
      ("\0\0\0\u{C}JXL \r\n", "a JPEG XL picture"),
      ("P7\nWIDTH 4\n", "a PAM picture"),
      ("BMW is no picture.\n", "a text that begins 'BMW is no picture.'"),
      ("RIFF\0\0\0\0WAVEfmt ", "something unknown"),
      ("\0\u{5}\u{16}\u{7}\0\u{2}\0\0Mac OS X", "a macOS resource file"),
      ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "a git-lfs pointer"),
      ("\n<!DOCTYPE html><title>404 Not Found</title>", "a page of HTML"),
      ("\u{FEFF}<html lang=\"en\">", "a page of HTML"),
      ("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "an XML text"),
      ("<?xml version=\"1.0\"?>\n<svg xmlns=\"\">", "an SVG drawing"),
      ("%PDF-1.7", "a PDF document"),
      ("PK\u{3}\u{4}", "an archive"),
      ("This is no picture.\n", "a text that begins 'This is no picture.'"),
      (String(repeating: "\0", count: 4096), "nothing but zeros"),
      ("\u{1}\u{2}\u{3}\u{1F}", "something unknown that begins with the bytes 01 02 03 1f"),
    ])
  func named(contents: String, name: String) throws {
    let error = #expect(throws: ImagingError.self) { try ImageDecoder().decode(Array(contents.utf8)) }
    #expect(error?.reason == "unknown-format")
    let sentence = error?.description ?? ""
    #expect(sentence.hasPrefix("the file is not a \(ImageFormat.names) picture but \(name)"), "\(sentence)")
    #expect(sentence.contains("; "), "says what to do: \(sentence)")
  }
}
