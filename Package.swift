// swift-tools-version: 6.2
// SASSL: style augmentation for self-supervised learning, prepared ahead of the trainer.

import PackageDescription

/// Vector kernels and pixel loops are useless at -O0, so C targets are optimised in every configuration.
let optimised: [CSetting] = [.unsafeFlags(["-O3", "-fno-math-errno", "-Wall", "-Wextra", "-Werror"])]

/// The ring's library has these flags in every build of it, which the Makefile and python/setup.py make too.
let ring: [CSetting] = [.unsafeFlags(["@\(Context.packageDirectory)/Sources/CSASSLRing/compile_flags.txt", "-Werror"])]

/// The room's own tests, named after it.
func tests(
  for room: String, alsoUsing others: [Target.Dependency] = [], besides files: [String] = []
) -> Target {
  .testTarget(name: "\(room)Tests", dependencies: [.byName(name: room)] + others, exclude: files)
}

let package = Package(
  name: "sassl",
  products: [
    .executable(name: "sassld", targets: ["sassld"]),
    .executable(name: "sasslctl", targets: ["sasslctl"]),
  ],
  targets: [
    // Libraries of the system, found through pkg-config.
    .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
    .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
    .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4", providers: [.apt(["libtiff-dev"])]),
    .systemLibrary(name: "CGIF", pkgConfig: "libgif", providers: [.apt(["libgif-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
    .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(name: "CFreeType", pkgConfig: "freetype2", providers: [.apt(["libfreetype-dev"])]),
    .systemLibrary(name: "CFontconfig", pkgConfig: "fontconfig", providers: [.apt(["libfontconfig-dev"])]),
    .systemLibrary(name: "CGetopt"),
    // Whoever uses it links its archive, of which little is used: the shared library needs 40 MB of others, for formats that are not read here.
    .systemLibrary(name: "CArchive", providers: [.apt(["libarchive-dev"])]),

    // What Swift has no word for.
    .target(name: "CTOML", cxxSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
    .target(name: "CStyleKernels", cSettings: optimised),
    .target(name: "CImagingKernels", cSettings: optimised),
    .target(name: "CJPEGReader", dependencies: ["CJPEG"], cSettings: optimised),
    .target(
      name: "CPNGReader", dependencies: ["CPNG"], cSettings: optimised, linkerSettings: [.linkedLibrary("z")]),
    .target(name: "CTIFFReader", dependencies: ["CTIFF"], cSettings: optimised),
    .target(
      name: "CEmbeddedModel", exclude: ["model.safetensors", "styles.safetensors"], cSettings: optimised),
    .target(name: "CGlibc", cSettings: optimised),
    .target(name: "CSASSLRing", exclude: ["compile_flags.txt"], cSettings: ring),

    // The rooms; data flows down this list and never back up.
    .target(name: "Basics", dependencies: ["CGlibc"]),
    .target(name: "LongWork", dependencies: ["Basics"]),
    .target(name: "Terminal"),
    .target(name: "Log", dependencies: ["Basics"]),
    .target(name: "WebServer", dependencies: ["Basics", "CMicroHTTPD", "CSystemd"]),
    .target(name: "Machine"),
    .target(name: "KeyedRandom"),
    .target(name: "Settings"),
    .target(name: "Memory"),
    .target(name: "ImageFormats"),
    .target(
      name: "Dataset", dependencies: ["Basics", "LongWork", "KeyedRandom", "Memory", "ImageFormats", "CArchive"],
      linkerSettings: [.unsafeFlags(["-l:libarchive.a"])]),
    .target(
      name: "Imaging",
      dependencies: [
        "Memory", "ImageFormats", "CTurboJPEG", "CJPEGReader", "CPNG", "CPNGReader", "CWebP", "CTIFFReader", "CGIF",
        "CImagingKernels",
      ]),
    .target(name: "StyleTransfer", dependencies: ["Basics", "CStyleKernels", "COpenBLAS", "CEmbeddedModel"]),
    .target(name: "Augmentation", dependencies: ["KeyedRandom", "Settings", "Imaging", "StyleTransfer"]),
    .target(name: "BatchRing", dependencies: ["CSASSLRing"]),
    .target(name: "BatchIndex", dependencies: ["Basics", "CSQLite"]),
    .target(
      name: "Configuration",
      dependencies: ["Basics", "Settings", "Machine", "Dataset", "Imaging", "Augmentation", "BatchRing", "CTOML"]),
    .target(
      name: "Pipeline",
      dependencies: [
        "Basics", "Memory", "Dataset", "Imaging", "StyleTransfer", "Augmentation", "BatchRing", "BatchIndex",
      ]),
    .target(
      name: "Streams",
      dependencies: [
        "Basics", "Log", "Memory", "Dataset", "Imaging", "StyleTransfer", "Augmentation", "BatchRing", "BatchIndex",
        "Configuration", "Settings", "Pipeline", "LongWork",
      ]),
    .target(
      name: "Control",
      dependencies: [
        "Basics", "LongWork", "Terminal", "Machine", "Dataset", "BatchRing", "BatchIndex", "Configuration",
      ]),
    .target(
      name: "Diagnostics",
      dependencies: [
        "Basics", "Memory", "Machine", "Dataset", "Imaging", "StyleTransfer", "BatchRing", "Configuration", "Pipeline",
        "Streams", "LongWork",
      ]),
    .target(name: "Metrics", dependencies: ["Basics", "BatchIndex", "BatchRing", "Configuration", "Control"]),
    .target(name: "Sheets", dependencies: ["Imaging", "CFreeType", "CFontconfig"]),
    .target(
      name: "Preview",
      dependencies: [
        "Basics", "Dataset", "Imaging", "StyleTransfer", "Augmentation", "Configuration", "Pipeline", "Streams",
        "Sheets", "LongWork",
      ]),
    .target(
      name: "Page",
      dependencies: [
        "Basics", "WebServer", "Imaging", "BatchRing", "BatchIndex", "Configuration", "Pipeline", "Control",
      ],
      resources: [.embedInCode("page.html"), .embedInCode("page.css"), .embedInCode("page.js")]),
    .target(
      name: "Lifecycle",
      dependencies: [
        "Basics", "Log", "Machine", "Dataset", "Imaging", "StyleTransfer", "BatchRing", "BatchIndex", "Configuration",
        "Pipeline", "Streams", "Control", "Diagnostics", "CSystemd", "LongWork",
      ]),
    .target(
      name: "Commands",
      dependencies: [
        "Basics", "Log", "Dataset", "Imaging", "StyleTransfer", "Augmentation", "BatchRing", "Configuration",
        "Pipeline", "Streams", "Control", "Lifecycle", "LongWork", "Terminal", "CGetopt",
      ]),
    .executableTarget(
      name: "sassld", dependencies: ["Basics", "Configuration", "Lifecycle", "Commands", "LongWork", "Terminal"]),
    .executableTarget(
      name: "sasslctl",
      dependencies: [
        "Basics", "Log", "WebServer", "Dataset", "Imaging", "StyleTransfer", "BatchRing", "BatchIndex",
        "Configuration", "Streams", "Control", "Diagnostics", "Metrics", "Preview", "Page", "Sheets", "Commands",
        "Terminal",
      ]),
    // No product, so it is not installed; part of this package because it builds random models, which is nobody else's to do.
    .executableTarget(
      name: "sassl-bench", dependencies: ["StyleTransfer", "CStyleKernels"], path: "Benchmarks/networks"),
    .executableTarget(
      name: "sassl-bench-pictures", dependencies: ["Imaging", "Augmentation"], path: "Benchmarks/pictures"),

    tests(for: "CStyleKernels"),
    tests(for: "Basics", alsoUsing: ["CGlibc"]),
    tests(for: "KeyedRandom"),
    tests(for: "Memory"),
    tests(for: "Dataset", alsoUsing: ["LongWork", "Memory"]),
    tests(for: "Imaging", alsoUsing: ["ImageFormats", "CImagingKernels", "CTurboJPEG"], besides: ["Golden"]),
    tests(for: "StyleTransfer", alsoUsing: ["CStyleKernels"], besides: ["Golden"]),
    tests(for: "Augmentation", alsoUsing: ["Imaging", "KeyedRandom", "Settings"], besides: ["Golden"]),
    tests(for: "BatchRing", alsoUsing: ["CSASSLRing"]),
    tests(for: "BatchIndex"),
    tests(for: "LongWork"),
    tests(for: "Terminal"),
    tests(for: "Log"),
    tests(for: "WebServer"),
    tests(for: "Machine"),
    tests(for: "Configuration", alsoUsing: ["Augmentation", "Dataset", "Settings"]),
    tests(
      for: "Pipeline",
      alsoUsing: ["Augmentation", "Basics", "BatchIndex", "BatchRing", "Dataset", "Imaging", "StyleTransfer"]),
    tests(for: "Streams", alsoUsing: ["Imaging", "StyleTransfer"]),
    tests(for: "Settings"),
    tests(for: "Sheets", alsoUsing: ["Imaging"]),
    tests(for: "Preview", alsoUsing: ["Configuration", "Dataset", "Imaging", "Pipeline", "Sheets", "Streams"]),
    tests(for: "Control", alsoUsing: ["Configuration"]),
    tests(for: "Diagnostics", alsoUsing: ["Machine"]),
    tests(for: "Lifecycle", alsoUsing: ["Basics", "BatchRing", "Configuration", "Control", "Imaging"]),
    tests(
      for: "Commands",
      alsoUsing: [
        "Basics", "BatchRing", "Configuration", "Control", "Dataset", "Imaging", "Lifecycle", "LongWork", "Pipeline",
        "Streams",
      ]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu17,
  cxxLanguageStandard: .cxx17
)

// Built for the fuzzer's runtime and useless without, so only `Tests/Fuzz/run` asks for them.
if Context.environment["SASSL_FUZZ"] != nil {
  func fuzzer(_ name: String, of room: String, besides files: [String] = []) -> Target {
    .executableTarget(
      name: "fuzz-\(name.lowercased())", dependencies: [.byName(name: room), "CFuzzer"], path: "Tests/Fuzz/\(name)",
      exclude: files)
  }
  package.targets += [
    .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
    fuzzer("Pictures", of: "Imaging"),
    fuzzer("Configuration", of: "Configuration", besides: ["seeds"]),
    fuzzer("ModelFiles", of: "StyleTransfer"),
    fuzzer("Control", of: "Control", besides: ["seeds"]),
    fuzzer("Ring", of: "CSASSLRing"),
  ]
}
