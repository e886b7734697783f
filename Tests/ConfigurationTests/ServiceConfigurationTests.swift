import Augmentation
import Configuration
import Dataset
import Foundation
import Settings
import Testing

/// The configuration that a text spells.
private func parse(_ text: String) throws(ConfigurationError) -> ServiceConfiguration {
  try ServiceConfiguration.parse(Array(text.utf8), file: "test.toml")
}

/// What is wrong with a text, one line each; empty where it is fine.
private func complaints(_ text: String) -> [String] {
  do {
    _ = try parse(text)
    return []
  } catch {
    return error.description.split(separator: "\n").map(String.init)
  }
}

@Suite("The configuration")
struct ServiceConfigurationTests {
  @Test("has its defaults where the file is empty")
  func empty() throws {
    #expect(try parse("") == ServiceConfiguration())
    #expect(try parse("# nothing\n[stream]\n[views]\n") == ServiceConfiguration())
  }

  @Test("takes sources from their tables, in their order, and says which keys of which differ")
  func sources() throws {
    let text =
      "[[dataset.source]]\npath = \"/a\"\nlayout = \"flat\"\nweight = 3\n[[dataset.source]]\npath = \"/b\"\nmanifest = \"/m\"\n"
    let configuration = try parse(text)
    #expect(configuration.dataset.sources.map(\.path) == ["/a", "/b"])
    #expect(configuration.dataset.sources.map(\.weight) == [3, 1])
    #expect(configuration.dataset.name == "/a + /b")
    #expect(try parse(configuration.toml) == configuration)
    let other = try parse(text.replacing("weight = 3", with: "weight = 2"))
    #expect(other.changedKeys(comparedTo: configuration) == ["dataset.source[0].weight"])
    #expect(other.fingerprint != configuration.fingerprint)
    // One source is what it is without a table, whatever its weight.
    let alone = try parse("[[dataset.source]]\npath = \"/a\"\nweight = 3")
    #expect(alone.fingerprint == ServiceConfiguration().fingerprint)
  }

  @Test("takes every key from its place")
  func everyKey() throws {
    let configuration = try parse(
      """
      [stream]
      name = "run-7"
      seed = 9223372036854775807
      [dataset]
      path = "/data/train.tar"
      layout = "shards"
      exclude = ["val*"]
      label_field = "class"
      manifest = "/data/manifest"
      apply_orientation = false
      [batch]
      size = 64
      world_size = 4
      ranks = [2, 3]
      last_batch = "wrap"
      [views]
      preset = "byol"
      side = 96
      count = 3
      order = ["flip", "style"]
      [[views.view]]
      count = 2
      side = 128
      crop_scale = [0.3, 0.9]
      crop_aspect = [0.5, 2]
      interpolation = "bilinear"
      flip_probability = 0.1
      jitter_probability = 0.2
      jitter_brightness = 0.3
      jitter_contrast = 0.4
      jitter_saturation = 0.5
      jitter_hue = 0.05
      grayscale_probability = 0.6
      blur_probability = 0.7
      blur_sigma = [1, 3]
      blur_kernel = 9
      solarize_probability = 0.8
      solarize_threshold = 200
      [style]
      enabled = true
      model = "/m"
      source = "bank"
      folder = "/f"
      bank = "/b"
      weights = [["a/*", 2], ["b", 0.5]]
      shared_by_views = true
      probability = 1
      alpha = [0, 1]
      beta = [0.5, 0.5]
      views = [1, 2]
      group = 16
      [workers]
      count = 3
      [ring]
      slots = 5
      directory = "/ring"
      group = "root"
      drawn = true
      [state]
      directory = "/state"
      runtime_directory = "/runtime"
      [limits]
      max_bad_fraction = 0.5
      max_pixels = 1000
      max_file_bytes = 2000
      wait_for_machine = 7
      [index]
      window_batches = 7
      """)
    var expected = ServiceConfiguration()
    expected.stream.name = "run-7"
    expected.stream.seed = UInt64(Int64.max)
    expected.dataset.path = "/data/train.tar"
    expected.dataset.layout = .shards
    expected.dataset.exclude = ["val*"]
    expected.dataset.labelField = "class"
    expected.dataset.manifest = "/data/manifest"
    expected.dataset.applyOrientation = false
    expected.batch.size = 64
    expected.batch.worldSize = 4
    expected.batch.ranks = [2, 3]
    expected.batch.lastBatch = .wrap
    expected.views.preset = .byol
    expected.views.side = 96
    expected.views.count = 3
    expected.views.order = ["flip", "style"]
    var view = ViewTable()
    let values: [(key: String, value: SettingValue)] = [
      ("count", .integer(2)), ("side", .integer(128)), ("crop_scale", .list([.number(0.3), .number(0.9)])),
      ("crop_aspect", .list([.number(0.5), .number(2)])), ("interpolation", .string("bilinear")),
      ("flip_probability", .number(0.1)), ("jitter_probability", .number(0.2)), ("jitter_brightness", .number(0.3)),
      ("jitter_contrast", .number(0.4)), ("jitter_saturation", .number(0.5)), ("jitter_hue", .number(0.05)),
      ("grayscale_probability", .number(0.6)), ("blur_probability", .number(0.7)),
      ("blur_sigma", .list([.number(1), .number(3)])), ("blur_kernel", .integer(9)),
      ("solarize_probability", .number(0.8)), ("solarize_threshold", .integer(200)),
    ]
    for (key, value) in values {
      #expect(try #require(ViewTable.settings.first { $0.name == key }).assign(value, &view))
    }
    expected.views.tables = [view]
    expected.style.enabled = true
    expected.style.model = "/m"
    expected.style.source = .bank
    expected.style.folder = "/f"
    expected.style.bank = "/b"
    expected.style.weights = [.init(pattern: "a/*", weight: 2), .init(pattern: "b", weight: 0.5)]
    expected.style.sharedByViews = true
    expected.style.transfer = StyleTransferStep(probability: 1, alpha: 0...1, beta: 0.5...0.5)
    expected.style.views = [1, 2]
    expected.style.group = 16
    expected.workers.count = 3
    expected.ring.slots = 5
    expected.ring.directory = "/ring"
    expected.ring.group = "root"
    expected.ring.drawn = true
    expected.state.directory = "/state"
    expected.state.runtimeDirectory = "/runtime"
    expected.limits.maximumBadFraction = 0.5
    expected.limits.maximumPixels = 1000
    expected.limits.maximumFileBytes = 2000
    expected.limits.waitForMachine = 7
    expected.index.windowBatches = 7
    #expect(configuration == expected)

    // What was read can be written, and reads as the same again.
    #expect(try parse(configuration.toml) == configuration)
    let written = configuration.toml.split(separator: "\n").filter { $0.contains(" = ") }.count
    #expect(written == 57)
  }

  @Test(
    "writes every key of every view, and is then the same stream whatever the preset says",
    arguments: RecipePreset.allCases.map(\.rawValue),
    [
      "side = 32", "side = 224\n[style]\nenabled = false", "side = 4096\n[style]\nviews = [1]",
      "side = 96\n[[views.view]]\n[[views.view]]\njitter_probability = 0.0\njitter_hue = 0.3\nblur_probability = 0.0",
      "side = 64\n[[views.view]]\nside = 96\n[[views.view]]\nsolarize_probability = 0.5\n[[views.view]]\nblur_kernel = 5",
      "count = 1\norder = [\"flip\", \"style\"]", "[[views.view]]\ncount = 2\n[[views.view]]\ncount = 6\nside = 96",
    ])
  func everyViewKey(preset: String, rest: String) throws {
    let configuration = try parse("[views]\npreset = \"\(preset)\"\n\(rest)")
    let complete = try parse(configuration.withEveryViewKey.toml)
    #expect(complete.fingerprint == configuration.fingerprint)
    #expect(complete.viewRecipes == configuration.viewRecipes)
    #expect(complete.views.tables.count == configuration.viewRecipes.count)
    for view in complete.views.tables { #expect(view.values.count == ViewRecipe.settings.count) }
    // Nothing is left for a preset to say.
    let other = RecipePreset.allCases.first { $0 != configuration.views.preset }!
    var another = complete
    another.views.preset = other
    #expect(another.fingerprint == configuration.fingerprint)
  }

  @Test("writes itself as TOML that reads the same, whatever the texts hold")
  func awkwardTexts() throws {
    var configuration = ServiceConfiguration()
    configuration.dataset.path = "/a \"b\"\\c\n\t\u{1}\u{7F}é🎨#="
    #expect(try parse(configuration.toml) == configuration)
  }

  @Test("writes itself as JSON with the names of the TOML file")
  func json() throws {
    let text = "[views]\n[[views.view]]\nside = 96\n[style]\nalpha = [0.25, 0.5]\nviews = [1]"
    let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(parse(text))) as? [String: Any]
    let style = json?["style"] as? [String: Any]
    #expect(style?["alpha"] as? [Double] == [0.25, 0.5])
    #expect(style?["source"] as? String == "in-batch")
    #expect(style?["enabled"] as? Bool == true)
    let views = json?["views"] as? [String: Any]
    #expect(views?["view"] as? [[String: Int]] == [["side": 96]])
    #expect((json?["limits"] as? [String: Any])?["max_file_bytes"] as? Int == 67_108_864)
    #expect(json?.count == 10)
  }

  @Test("names the configurations' differences by their keys")
  func changedKeys() throws {
    let old = try parse("[workers]\ncount = 1")
    let new = try parse("[views]\nside = 96\n[[views.view]]\nside = 48\n[workers]\ncount = 2")
    #expect(new.changedKeys(comparedTo: old) == ["views.side", "workers.count", "views.view[0].side"])
    #expect(old.changedKeys(comparedTo: new) == ["views.side", "workers.count", "views.view[0].side"])
    #expect(old.changedKeys(comparedTo: old).isEmpty)
  }
}

@Suite("The default configuration file")
struct DefaultConfigurationFileTests {
  static let file = URL(filePath: #filePath).deletingLastPathComponent().appending(
    path: "../../Config/sassld.toml")

  @Test("spells exactly the built-in defaults")
  func defaults() throws {
    #expect(try ServiceConfiguration.load(path: Self.file.path()) == ServiceConfiguration())
  }

  @Test("mentions every key with its default, in the section where it belongs")
  func everyKey() throws {
    let lines = try String(contentsOf: Self.file, encoding: .utf8).split(separator: "\n").map(String.init)
    var section = ""
    for line in ServiceConfiguration().toml.split(separator: "\n").map(String.init) {
      if line.hasPrefix("[") {
        section = line
        continue
      }
      let start = try #require(lines.firstIndex(of: section))
      let body = lines[(start + 1)...].prefix { !$0.hasPrefix("[") }
      #expect(body.contains(line), "\(section) \(line)")
    }
  }

  @Test("shows the keys of single views with the values of the preset")
  func viewKeys() throws {
    let text = try String(contentsOf: Self.file, encoding: .utf8)
    let example = text.split(separator: "\n").drop { $0 != "# [[views.view]]" }.prefix { $0.hasPrefix("# ") }
    let uncommented = example.map { $0.dropFirst(2) }.joined(separator: "\n")
    let configuration = try parse(uncommented)
    #expect(try #require(configuration.views.tables.first).values.count == ViewRecipe.settings.count)
    var recipe = configuration.viewRecipes[0]
    #expect(abs(recipe.crop.aspect.upperBound - 4.0 / 3) < 1e-4)
    recipe.crop.aspect = 3.0 / 4...4.0 / 3
    #expect(recipe == ServiceConfiguration().viewRecipes[0])
  }

  @Test("says of every key of single views what the step's own words say, and names the steps in their order")
  func words() throws {
    let lines = try String(contentsOf: Self.file, encoding: .utf8).split(separator: "\n").map(String.init)
    let shown = lines.drop { $0 != "# [[views.view]]" }.dropFirst().prefix { $0.hasPrefix("# ") }.map { line in
      let parts = line.dropFirst(2).split(separator: "#", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      return "\(parts[0].prefix { $0 != " " }): \(parts.count == 2 ? parts[1] : "")"
    }
    #expect(shown == ViewTable.settings.map { "\($0.name): \($0.words)" })
    let order = AugmentationSteps.names.map { "\"\($0)\"" }.joined(separator: ", ")
    #expect(lines.contains("# \(order)."))
  }
}

@Suite("A configuration's problems")
struct ConfigurationProblemTests {
  @Test("are all reported at once, from top to bottom, with file, line and key")
  func everything() {
    let text = """
      [stream]
      seed = -1
      nmae = "x"

      [batch]
      size = "many"
      """
    #expect(
      complaints(text) == [
        "test.toml:2: stream.seed: must be a whole number from 0 to 9223372036854775807, not -1",
        "test.toml:3: stream.nmae: unknown key; did you mean stream.name?",
        "test.toml:6: batch.size: must be a whole number from 1 to 65536, not \"many\"",
      ])
  }

  @Test(
    "name the accepted values",
    arguments: [
      ("stream", "name = \"a/b\"", "must be 1 to 63 of the characters A-Z, a-z, 0-9, '_' and '-', not \"a/b\""),
      ("stream", "name = \"\"", "must be 1 to 63"),
      ("stream", "name = \"..\"", "must be 1 to 63"),
      ("stream", "seed = 1.0", "must be a whole number from 0 to 9223372036854775807, not 1.0"),
      ("dataset", "path = \"\"", "must be a path, not \"\""),
      ("dataset", "path = \"a\\u0000b\"", "must be a path"),
      ("dataset", "layout = \"tree\"", "must be one of \"image-folder\", \"flat\", \"list\", \"shards\", not \"tree\""),
      ("dataset", "exclude = \"lost+found\"", "must be a list of patterns, for example"),
      ("dataset", "exclude = [\"a\", 1]", "not [\"a\", 1]"),
      ("dataset", "exclude = [\"\"]", "must be a list of patterns"),
      ("batch", "size = 0", "must be a whole number from 1 to 65536, not 0"),
      ("batch", "size = true", "must be a whole number from 1 to 65536, not true"),
      ("batch", "size = 1979-05-27", "not a date"),
      ("batch", "size = { a = 1 }", "not a table"),
      ("batch", "ranks = []", "must be a list of different whole numbers from 0 to 65535, for example [0, 1], not []"),
      ("batch", "ranks = [0, 0]", "not [0, 0]"),
      ("batch", "ranks = [0, \"1\"]", "not [0, \"1\"]"),
      ("batch", "last_batch = \"keep\"", "must be one of \"drop\", \"wrap\", not \"keep\""),
      ("views", "preset = \"dino\"", "must be one of \"simclr\", \"mocov2\", \"byol\", not \"dino\""),
      ("style", "enabled = 1", "must be true or false, not 1"),
      ("style", "probability = 1.5", "must be a number from 0.0 to 1.0, not 1.5"),
      ("style", "probability = nan", "not nan"),
      ("style", "alpha = [0.3, 0.1]", "must be [lowest, highest], two numbers from 0.0 to 1.0"),
      ("style", "alpha = 0.3", "two numbers from 0.0 to 1.0, for example [0.0, 1.0], not 0.3"),
      ("style", "alpha = [0.1, 0.2, 0.3]", "not [0.1, 0.2, 0.3]"),
      ("style", "views = [16]", "from 0 to 15"),
      ("limits", "max_bad_fraction = -0.1", "must be a number from 0.0 to 1.0, not -0.1"),
      ("limits", "max_pixels = 99999999999", "not 99999999999"),
      ("ring", "slots = 1", "must be a whole number from 2 to 4096, not 1"),
    ])
  func accepted(section: String, line: String, message: String) {
    let complaints = complaints("[\(section)]\n\(line)")
    let key = section + "." + line.prefix { $0 != " " }
    #expect(complaints.count == 1)
    #expect(complaints.first?.hasPrefix("test.toml:2: \(key): ") == true)
    #expect(complaints.first?.contains(message) == true, "\(complaints)")
  }

  @Test(
    "suggest what was probably meant",
    arguments: [
      ("[strem]\nseed = 1", "test.toml:1: strem: unknown section; did you mean stream?"),
      ("seed = 1", "test.toml:1: seed: unknown key; did you mean seed in [stream]?"),
      ("[batch]\nseed = 1", "test.toml:2: batch.seed: unknown key; did you mean stream.seed?"),
      ("[batch]\nworldsize = 1", "test.toml:2: batch.worldsize: unknown key; did you mean batch.world_size?"),
      (
        "[limits]\nmax_bad_fractoin = 1",
        "test.toml:2: limits.max_bad_fractoin: unknown key; did you mean limits.max_bad_fraction?"
      ),
      (
        "[views]\ncrop_scale = [0.1, 1]",
        "test.toml:2: views.crop_scale: unknown key; crop_scale is a key of single views, below [[views.view]]"
      ),
      ("[[views.view]]\ncrop_scal = 1", "test.toml:2: views.view[0].crop_scal: unknown key; did you mean crop_scale?"),
      ("[[views.views]]\nside = 96", "test.toml:1: views.views: unknown key; did you mean views.view?"),
      ("[ring]\nxyzzy = 1", "test.toml:2: ring.xyzzy: unknown key; the keys here are slots, directory, group, drawn"),
    ])
  func suggestions(text: String, complaint: String) {
    #expect(complaints(text) == [complaint])
  }

  @Test(
    "show what does not go together",
    arguments: [
      ("[batch]\nranks = [1]", 2, "batch.ranks", "rank 1 is not below batch.world_size = 1"),
      (
        "[dataset]\nlayout = \"list\"\nexclude = [\"x\"]", 3, "dataset.exclude",
        "is for folders; with dataset.layout = \"list\", leave the lines out of the list"
      ),
      ("[batch]\nsize = 48", 2, "style.group", "batch.size = 48 is not a multiple of style.group = 32"),
      ("[style]\ngroup = 60", 2, "style.group", "batch.size = 256 is not a multiple of style.group = 60"),
      ("[style]\n\nsource = \"folder\"", 3, "style.folder", "must be set where style.source is \"folder\""),
      (
        "[style]\nweights = [[\"*\", 1]]", 2, "style.weights",
        "is for styles that have names: those of style.source = \"folder\" or \"bank\""
      ),
      (
        "[style]\nsource = \"sampled\"\nweights = [[\"*\", 1]]", 3, "style.weights",
        "is for styles that have names: those of style.source = \"folder\" or \"bank\""
      ),
      ("[style]\nviews = [0, 2]", 2, "style.views", "there is no view 2: they are numbered from 0 to 1"),
      ("[views]\nside = 226", 2, "views", "multiple of 4"),
      ("[views]\nside = 4", 2, "views", "at least 8"),
      ("[[views.view]]\nside = 4", 1, "views.view[0]", "at least 8"),
      ("[ring]\ngroup = \"no such group\"", 2, "ring.group", "there is no group \"no such group\""),
      ("[ring]\ngroup = \"-1\"", 2, "ring.group", "there is no group \"-1\""),
      ("[ring]\ngroup = \"4294967295\"", 2, "ring.group", "there is no group"),
      ("[[views.view]]\nblur_kernel = 8", 1, "views.view[0]", "odd"),
      ("[[views.view]]\ncount = 3\nblur_kernel = 8", 1, "views.view[0]", "odd"),
      ("[views]\ncount = 2\n[[views.view]]\ncount = 3", 2, "views.count", "the tables describe 3 views"),
      ("[[views.view]]\ncount = 9\n[[views.view]]\ncount = 8", 1, "views.view", "the tables describe 17 views"),
      ("[views]\norder = [\"flip\", \"blur\", \"flip\"]", 2, "views.order", "names \"flip\" twice"),
    ])
  func together(text: String, line: Int, key: String, message: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try parse(text) }
    #expect(error.problems.count == 1)
    #expect(error.problems[0].line == line)
    #expect(error.problems[0].key == key)
    #expect(error.problems[0].message.contains(message))
  }

  @Test("do not arise where style is switched off")
  func styleDisabled() throws {
    let configuration = try parse("[batch]\nsize = 48\n[views]\nside = 225\n[style]\nenabled = false\nviews = [7]")
    #expect(configuration.viewRecipes.allSatisfy { $0.style == nil && $0.side == 225 })
  }

  @Test(
    "say where a text is not TOML",
    arguments: [
      ("a = ", 1), ("[stream]\nname = \"x\"\nname = \"y\"", 3), ("[stream]\n[stream", 2), ("a = \u{1}", 1),
      ("[stream]\n[\u{C}batch]", 2), ("# a comment\n#\u{7F}", 2),
    ])
  func syntax(text: String, line: Int) throws {
    let error = try #require(throws: ConfigurationError.self) { try parse(text) }
    #expect(error.problems.count == 1)
    #expect(error.problems[0].line == line)
    #expect(error.description.hasPrefix("test.toml:\(line): is not TOML: "))
  }

  @Test("do not depend on valid UTF-8 or sane nesting")
  func hostileTexts() {
    let texts: [[UInt8]] = [
      [0xFF, 0xFE], [0], Array("a = \"".utf8) + [0xC3, 0x28] + Array("\"".utf8),
      Array(("a = " + String(repeating: "[", count: 100_000)).utf8),
      Array(String(repeating: "a.", count: 500).utf8) + Array("a = 1".utf8),
      Array(("[" + String(repeating: "a.", count: 500) + "a]").utf8),
      Array("[\u{A0}batch]".utf8), Array("[batch.\u{2003}]".utf8), Array("\u{A0}a = 1".utf8),
    ]
    for text in texts {
      #expect(throws: ConfigurationError.self) { try ServiceConfiguration.parse(text, file: "test.toml") }
    }
  }

  @Test("include a file that cannot be read")
  func unreadable() throws {
    let error = try #require(throws: ConfigurationError.self) { try ServiceConfiguration.load(path: "/no/such.toml") }
    #expect(error.description == "/no/such.toml: no such file")
    let directory = try #require(throws: ConfigurationError.self) { try ServiceConfiguration.load(path: "/tmp") }
    #expect(directory.description.contains("/tmp: is not a regular file"))
  }
}

@Suite("A configuration's places")
struct ConfigurationPlaceTests {
  @Test("start at the file's folder where they are relative")
  func relativePaths() throws {
    let folder = NSTemporaryDirectory() + "sassl-configuration-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let text = """
      [dataset]
      path = "my images/./train"
      [style]
      model = "../model.safetensors"
      bank = "/absolute"
      [ring]
      directory = "ring"
      """
    try Data(text.utf8).write(to: URL(filePath: folder + "/sassld.toml"))
    let configuration = try ServiceConfiguration.load(path: folder + "/sassld.toml")
    let parent = URL(filePath: folder).deletingLastPathComponent().path()
    #expect(configuration.dataset.path == folder + "/my images/train")
    #expect(configuration.style.model == parent + "model.safetensors")
    #expect(configuration.style.bank == "/absolute")
    #expect(configuration.style.folder == "")
    #expect(configuration.ring.directory == folder + "/ring")
    #expect(configuration.state.directory == "")
  }

  @Test("are the usual ones where the file names none")
  func usualPlaces() {
    var state = ServiceConfiguration().state
    #expect(state.resolvedDirectory(environment: [:], isRoot: true) == "/var/lib/sassl")
    #expect(state.resolvedDirectory(environment: ["HOME": "/home/x"], isRoot: false) == "/home/x/.local/state/sassl")
    #expect(
      state.resolvedDirectory(environment: ["HOME": "/home/x", "XDG_STATE_HOME": "/y"], isRoot: false) == "/y/sassl")
    #expect(
      state.resolvedDirectory(environment: ["STATE_DIRECTORY": "/var/lib/a:/var/lib/b"], isRoot: false) == "/var/lib/a")
    #expect(state.resolvedRuntimeDirectory(environment: [:], user: 0) == "/run/sassl")
    #expect(state.resolvedRuntimeDirectory(environment: [:], user: 1000) == "/tmp/sassl-1000")
    #expect(
      state.resolvedRuntimeDirectory(environment: ["XDG_RUNTIME_DIR": "/run/user/1000"], user: 1000)
        == "/run/user/1000/sassl")
    #expect(state.resolvedRuntimeDirectory(environment: ["XDG_RUNTIME_DIR": "relative"], user: 7) == "/tmp/sassl-7")
    #expect(state.resolvedRuntimeDirectory(environment: ["RUNTIME_DIRECTORY": "/run/a"], user: 0) == "/run/a")
    state.directory = "/mine"
    state.runtimeDirectory = "/mine-too"
    #expect(state.resolvedDirectory(environment: ["STATE_DIRECTORY": "/other"], isRoot: true) == "/mine")
    #expect(state.resolvedRuntimeDirectory(environment: ["RUNTIME_DIRECTORY": "/other"], user: 0) == "/mine-too")
  }
}

@Suite("A configuration's views")
struct ConfigurationViewTests {
  @Test("are those of the preset, with style on the first", arguments: RecipePreset.allCases)
  func presets(preset: RecipePreset) throws {
    let configuration = try parse("[views]\npreset = \"\(preset.rawValue)\"\nside = 96")
    #expect(configuration.viewRecipes == preset.views(side: 96))
  }

  @Test("follow the overrides, and leave the rest as it is")
  func overrides() throws {
    let configuration = try parse(
      """
      [views]
      preset = "byol"
      [[views.view]]
      [[views.view]]
      side = 96
      jitter_hue = 0.3
      blur_probability = 0
      solarize_probability = 0.5
      [style]
      views = [1]
      probability = 0.5
      alpha = [0.2, 0.2]
      """)
    var expected = RecipePreset.byol.views(side: 224, style: nil)
    expected[1] = RecipePreset.byol.views(side: 96, style: nil)[1]
    expected[1][ColorJitter.self]?.hue = 0.3
    expected[1][GaussianBlur.self]?.probability = 0
    expected[1][Solarize.self]?.probability = 0.5
    expected[1].style = StyleTransferStep(probability: 0.5, alpha: 0.2...0.2, beta: 0.1...0.3)
    #expect(configuration.viewRecipes == expected)
  }

  @Test("are more than two where there are more tables: multi-crop")
  func multiCrop() throws {
    let small = "[[views.view]]\nside = 96\ncrop_scale = [0.05, 0.14]\n"
    let configuration = try parse("[[views.view]]\n[[views.view]]\n" + String(repeating: small, count: 4))
    let recipes = configuration.viewRecipes
    #expect(recipes.map(\.side) == [224, 224, 96, 96, 96, 96])
    #expect(
      recipes[2...].allSatisfy {
        $0.crop.area == 0.05...0.14 && $0[GaussianBlur.self]?.kernelSize == 9 && $0.style == nil
      })
    #expect(complaints(String(repeating: small, count: 17)).count == 1)
    let two = try parse("[[views.view]]\ncount = 2\n[[views.view]]\ncount = 4\nside = 96\ncrop_scale = [0.05, 0.14]")
    #expect(two.viewRecipes == recipes)
    #expect(two.fingerprint == configuration.fingerprint)
  }

  @Test("can be one alone: the first of the preset, or as its table says")
  func alone() throws {
    #expect(try parse("[views]\ncount = 1").viewRecipes == [ServiceConfiguration().viewRecipes[0]])
    let plain = try parse("[views]\ncount = 1\n[[views.view]]\njitter_probability = 0\n[style]\nenabled = false")
    #expect(plain.viewRecipes.count == 1)
    #expect(plain.viewRecipes[0][ColorJitter.self]?.probability == 0)
    #expect(complaints("[views]\ncount = 1\n[style]\nviews = [1]").count == 1)
  }

  @Test("have their steps in the order that is asked for, which makes another stream")
  func order() throws {
    let configuration = try parse("[views]\norder = [\"flip\", \"style\"]")
    #expect(
      configuration.viewRecipes[0].order == ["flip", "style"]
        + AugmentationSteps.names.filter { !["flip", "style"].contains($0) })
    #expect(configuration.fingerprint != ServiceConfiguration().fingerprint)
    let usual = try parse("[views]\norder = [\"style\", \"flip\"]")
    #expect(usual.fingerprint == ServiceConfiguration().fingerprint)
  }
}

@Suite("A configuration's stream")
struct ConfigurationStreamTests {
  /// A change of the file, and the names under which a resumed run refuses it; none where the stream stays the same.
  static let changes: [(text: String, keys: [String])] = [
    ("[workers]\ncount = 3", []),
    ("[ring]\nslots = 2\ndirectory = \"/x\"\ndrawn = true", []),
    ("[state]\ndirectory = \"/x\"\nruntime_directory = \"/y\"", []),
    ("[stream]\nname = \"other\"", []),
    ("[index]\nwindow_batches = 3", []),
    ("[limits]\nmax_bad_fraction = 0.5", []),
    ("[dataset]\npath = \"/moved\"\nlayout = \"flat\"", []),
    // What is left is part of the data set's own mark.
    ("[dataset]\nexclude = [\"lost+found\"]", []),
    ("[dataset]\napply_orientation = true", []),
    ("[dataset]\napply_orientation = false", ["dataset.apply_orientation"]),
    ("[style]\nmodel = \"/m\"\nfolder = \"/f\"\nbank = \"/b\"", []),
    ("[style]\nweights = []\nshared_by_views = false", []),
    ("[style]\nshared_by_views = true", ["style.shared_by_views"]),
    (
      "[style]\nsource = \"bank\"\nweights = [[\"a\", 2]]", ["style.source", "style.group", "style.weights"]
    ),
    (
      "[style]\nsource = \"bank\"\nweights = [[\"a\", 3]]", ["style.source", "style.group", "style.weights"]
    ),
    ("[style]\nsource = \"sampled\"", ["style.source", "style.group"]),
    ("[batch]\nsize = 64\nworld_size = 4\nranks = [1]", []),
    ("[[views.view]]\nflip_probability = 0.5", []),
    ("[stream]\nseed = 1", ["stream.seed"]),
    ("[batch]\nsize = 64", ["batch.size x batch.world_size"]),
    ("[batch]\nlast_batch = \"wrap\"", ["batch.last_batch"]),
    ("[limits]\nmax_pixels = 1000", ["limits.max_pixels"]),
    ("[limits]\nmax_file_bytes = 1000", ["limits.max_file_bytes"]),
    ("[style]\ngroup = 16", ["style.group"]),
    ("[style]\nalpha = [0, 0.3]", ["view0.style.alpha"]),
    ("[style]\nbeta = [0, 0.3]", ["view0.style.beta"]),
    ("[style]\nprobability = 1", ["view0.style.probability"]),
    ("[style]\nsource = \"folder\"\nfolder = \"/f\"", ["style.source", "style.group"]),
    ("[[views.view]]\nflip_probability = 0.25", ["view0.flip_probability"]),
    ("[[views.view]]\n[[views.view]]\nblur_probability = 0.25", ["view1.blur_probability"]),
    ("[[views.view]]\n[[views.view]]\ncrop_scale = [0.5, 1]", ["view1.crop_scale"]),
    (
      "[[views.view]]\nsolarize_probability = 0.1",
      ["view0.solarize_probability", "view0.solarize_threshold"]
    ),
    (
      "[style]\nenabled = false",
      [
        "view0.style.probability", "view0.style.alpha", "view0.style.beta", "style.source",
        "style.group",
      ]
    ),
  ]

  @Test("is refused by name where it changed, and has another fingerprint just then", arguments: changes)
  func refusal(text: String, keys: [String]) throws {
    let old = ServiceConfiguration()
    let new = try parse(text)
    #expect(differences(old, new) == Set(keys))
    #expect((new.fingerprint == old.fingerprint) == keys.isEmpty)
  }

  @Test("has a fingerprint of its own for every change")
  func fingerprints() throws {
    let different = Self.changes.filter { !$0.keys.isEmpty }
    let fingerprints = try different.map { try parse($0.text).fingerprint }
    #expect(Set(fingerprints).count == different.count)
  }

  @Test("changes with the preset in the values that the presets differ in")
  func presets() throws {
    let keys = differences(ServiceConfiguration(), try parse("[views]\npreset = \"simclr\""))
    let changed = ["crop_scale", "jitter_brightness", "jitter_contrast", "jitter_saturation", "jitter_hue"]
    #expect(keys == Set((0...1).flatMap { view in changed.map { "view\(view).\($0)" } }))
  }

  @Test("names each setting once, with its value as the file has it")
  func settings() throws {
    let text = "[stream]\nseed = 3\n[batch]\nsize = 32\nworld_size = 2\nlast_batch = \"wrap\""
    let settings = try parse(text).streamSettings
    #expect(Set(settings.map(\.key)).count == settings.count)
    let lines = settings.map { "\($0.key) = \($0.value)" }
    #expect(lines[1...3] == ["stream.seed = 3", "batch.size x batch.world_size = 64", "batch.last_batch = \"wrap\""])
    #expect(lines.contains("view1.crop_scale = [0.2, 1.0]"))
  }

  /// The names of the settings that only one of two configurations has with that value.
  private func differences(_ old: ServiceConfiguration, _ new: ServiceConfiguration) -> Set<String> {
    func lines(_ configuration: ServiceConfiguration) -> Set<String> {
      Set(configuration.streamSettings.map { "\($0.key)\n\($0.value)" })
    }
    return Set(
      lines(old).symmetricDifference(lines(new)).compactMap { $0.split(separator: "\n").first.map(String.init) })
  }
}
