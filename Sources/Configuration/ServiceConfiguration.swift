import Augmentation
import Dataset
import FoundationEssentials
import Glibc
import Imaging
import Machine

/// Everything that `sassld` is told: what `Config/sassld.toml` explains key by key.
///
/// For example:
///
/// ```swift
/// let configuration = try ServiceConfiguration.load(path: "/etc/sassl/sassld.toml")
/// print(configuration.batch.size, configuration.viewRecipes.count)
/// ```
///
/// A configuration that was loaded is valid: every value is in its range, and they go together.
package struct ServiceConfiguration: Equatable, Sendable {
  /// The stream's identity.
  package var stream = Stream()
  /// Where the samples are.
  package var dataset = Dataset()
  /// How samples are divided into batches, and batches among ranks.
  package var batch = Batch()
  /// What happens to each view.
  package var views = Views()
  /// Style transfer.
  package var style = Style()
  /// The threads that prepare samples.
  package var workers = Workers()
  /// The shared-memory ring.
  package var ring = Ring()
  /// Where the service keeps its own files.
  package var state = State()
  /// What an input may cost, how many may be bad, and how long the machine may be at fault.
  package var limits = Limits()
  /// The SQLite index.
  package var index = Index()

  /// The built-in defaults.
  package init() {}

  /// The stream's identity.
  package struct Stream: Equatable, Sendable {
    /// Names the rings, the control socket and the index: 1 to 63 of A-Z a-z 0-9 _ -.
    package var name = "default"
    /// The seed of every random draw.
    package var seed: UInt64 = 0
  }

  /// Where the samples are.
  @dynamicMemberLookup
  package struct Dataset: Equatable, Sendable {
    /// The one source, where there are no tables of sources.
    package var own = Self.standard
    /// The sources that the stream is mixed from; empty for the one above.
    package var tables: [DatasetSource] = []
    /// Whether pictures are turned as their metadata say.
    package var applyOrientation = true

    /// The one source where nothing else is said.
    static let standard: DatasetSource = {
      var source = DatasetSource()
      source.path = "/srv/images"
      return source
    }()

    /// All sources, in their order.
    package var sources: [DatasetSource] { tables.isEmpty ? [own] : tables }

    /// How status and messages call it: the paths of all sources.
    package var name: String { sources.map(\.path).joined(separator: " + ") }

    /// A key of the one source.
    package subscript<Value>(dynamicMember key: WritableKeyPath<DatasetSource, Value>) -> Value {
      get { own[keyPath: key] }
      set { own[keyPath: key] = newValue }
    }
  }

  /// How samples are divided into batches, and batches among ranks.
  package struct Batch: Equatable, Sendable {
    /// Samples per batch and rank.
    package var size = 256
    /// Ranks that share a global batch.
    package var worldSize = 1
    /// The ranks that this service makes batches for, each with a ring of its own.
    package var ranks = [0]
    /// What becomes of samples that do not fill the last batch of an epoch.
    package var lastBatch = StreamSchedule.LastBatch.drop

    /// Samples per global batch.
    package var globalSize: Int { size * worldSize }
  }

  /// What happens to each view.
  package struct Views: Equatable, Sendable {
    /// The published recipe that views start from.
    package var preset = RecipePreset.mocov2
    /// Width and height of the views in pixels.
    package var side = 224
    /// How many views there are; 0 for as many as the preset has, or as the tables describe where those are more.
    package var count = 0
    /// The steps in the order in which they are applied, by name; those that are missing come last, in the usual order.
    package var order: [String] = []
    /// What views do differently, in their order.
    package var tables: [ViewTable] = []
  }

  /// Style transfer.
  package struct Style: Equatable, Sendable {
    /// Where styles come from.
    package enum Source: String, CaseIterable, Sendable {
      /// Another sample of the same batch.
      case inBatch = "in-batch"
      /// The images of a folder.
      case folder
      /// A file of embeddings.
      case bank
      /// Drawn from the Gaussian in such a file.
      case sampled
    }

    /// Whether styles are transferred at all.
    package var enabled = true
    /// The model file; empty for the embedded model.
    package var model = ""
    /// Where styles come from.
    package var source = Source.inBatch
    /// The folder of style images, for the source `folder`.
    package var folder = ""
    /// The file of embeddings, for the sources `bank` and `sampled`; empty for the embedded bank.
    package var bank = ""
    /// Which styles are more likely than others, for the sources `folder` and `bank`; without any, all are equally likely.
    package var weights: [StyleWeights.Rule] = []
    /// Whether all stylized views of a sample take the same style.
    package var sharedByViews = false
    /// How often a view is stylized, and how strongly.
    package var transfer = StyleTransferStep()
    /// The views that are stylized; the first is view 0, as in the ring.
    package var views = [0]
    /// Samples that lend styles to each other, for the source `in-batch`.
    package var group = 32
  }

  /// The threads that prepare samples.
  package struct Workers: Equatable, Sendable {
    /// How many there are; 0 for one for each core that the process may use.
    package var count = 0

    /// How many there are, counted.
    package var resolvedCount: Int {
      count > 0 ? count : ProcessorShare.cores
    }
  }

  /// The shared-memory ring.
  package struct Ring: Equatable, Sendable {
    /// Batches that each ring holds.
    package var slots = 8
    /// The directory of the rings: a file system in memory.
    package var directory = "/dev/shm"
    /// The group whose members may read the rings, by name or number; empty for none.
    package var group = ""
    /// Whether batches have columns of everything that was drawn for their views.
    package var drawn = false
  }

  /// Where the service keeps its own files.
  package struct State: Equatable, Sendable {
    /// The directory of the index; empty for the usual place.
    package var directory = ""
    /// The directory of the control socket; empty for the usual place.
    package var runtimeDirectory = ""

    /// The usual places.
    package init() {}
  }

  /// What an input may cost, how many may be bad, and how long the machine may be at fault.
  package struct Limits: Equatable, Sendable {
    /// The part of the data set that may be unusable before the stream stops.
    package var maximumBadFraction = 0.05
    /// The most pixels of one image.
    package var maximumPixels = DecodeLimits.standard.maximumPixels
    /// The most bytes of one image file.
    package var maximumFileBytes = DecodeLimits.standard.maximumBytes
    /// For how long a picture is tried again while the machine is at fault, in seconds.
    package var waitForMachine = 60
  }

  /// The SQLite index.
  package struct Index: Equatable, Sendable {
    /// How many of the latest batches per rank it keeps with all their draws.
    package var windowBatches = 1000
  }
}

// MARK: - Weights

extension ServiceConfiguration.Style {
  /// How likely each of the styles with these names is; `nil` where all are equally likely.
  ///
  /// - Throws: `StyleWeights.Fault`.
  package func weights(for names: [String]) throws(StyleWeights.Fault) -> StyleWeights? {
    weights.isEmpty ? nil : try StyleWeights(weights, for: names)
  }
}

// MARK: - Places

extension ServiceConfiguration.State {
  /// The directory of the index: the key's, systemd's, root's or the user's own.
  package var resolvedDirectory: String {
    resolvedDirectory(environment: ProcessInfo.processInfo.environment, isRoot: geteuid() == 0)
  }

  /// The directory of the control socket: the key's, systemd's, root's or the user's own.
  package var resolvedRuntimeDirectory: String {
    resolvedRuntimeDirectory(environment: ProcessInfo.processInfo.environment, user: geteuid())
  }

  /// The directory of the index under the given circumstances.
  package func resolvedDirectory(environment: [String: String], isRoot: Bool) -> String {
    if !directory.isEmpty { return directory }
    if let first = Self.firstPath(environment["STATE_DIRECTORY"]) { return first }
    if isRoot { return "/var/lib/sassl" }
    if let home = Self.absolutePath(environment["XDG_STATE_HOME"]) { return home + "/sassl" }
    return (Self.absolutePath(environment["HOME"]) ?? "/tmp") + "/.local/state/sassl"
  }

  /// The directory of the control socket under the given circumstances.
  package func resolvedRuntimeDirectory(environment: [String: String], user: uid_t) -> String {
    if !runtimeDirectory.isEmpty { return runtimeDirectory }
    if let first = Self.firstPath(environment["RUNTIME_DIRECTORY"]) { return first }
    if user == 0 { return "/run/sassl" }
    if let directory = Self.absolutePath(environment["XDG_RUNTIME_DIR"]) { return directory + "/sassl" }
    return "/tmp/sassl-\(user)"
  }

  /// The first of the paths that systemd passes, separated by colons.
  private static func firstPath(_ list: String?) -> String? {
    absolutePath(list?.split(separator: ":").first.map(String.init))
  }

  /// The path, where it is one that can be relied on; the XDG specification says that relative ones are invalid.
  private static func absolutePath(_ path: String?) -> String? {
    path.flatMap { $0.hasPrefix("/") ? $0 : nil }
  }
}

// MARK: - Groups

extension ServiceConfiguration.Ring {
  /// The number of the group; nil where none is named, or none has that name.
  package var groupNumber: gid_t? {
    if let number = gid_t(group), number != gid_t.max { return number }
    var entry = Glibc.group()
    var found: UnsafeMutablePointer<Glibc.group>?
    // Enough for the thousands of members that some groups have.
    var text = [CChar](repeating: 0, count: 1 << 20)
    guard !group.isEmpty, getgrnam_r(group, &entry, &text, text.count, &found) == 0, found != nil else { return nil }
    return entry.gr_gid
  }
}
