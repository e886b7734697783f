import Augmentation
import Dataset
import FoundationEssentials
import Glibc
import Imaging

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
public struct ServiceConfiguration: Equatable, Sendable {
  /// The stream's identity.
  public var stream = Stream()
  /// Where the samples are.
  public var dataset = Dataset()
  /// How samples are divided into batches, and batches among ranks.
  public var batch = Batch()
  /// What happens to each view.
  public var views = Views()
  /// Style transfer.
  public var style = Style()
  /// The threads that prepare samples.
  public var workers = Workers()
  /// The shared-memory ring.
  public var ring = Ring()
  /// Where the service keeps its own files.
  public var state = State()
  /// What an input may cost, how many may be bad, and how long the machine may be at fault.
  public var limits = Limits()
  /// The SQLite index.
  public var index = Index()

  /// The built-in defaults.
  public init() {}

  /// The stream's identity.
  public struct Stream: Equatable, Sendable {
    /// Names the rings, the control socket and the index: 1 to 63 of A-Z a-z 0-9 _ -.
    public var name = "default"
    /// The seed of every random draw.
    public var seed: UInt64 = 0
  }

  /// Where the samples are.
  public struct Dataset: Equatable, Sendable {
    /// How the path is read.
    public enum Layout: String, CaseIterable, Sendable {
      /// A folder with one directory per class.
      case imageFolder = "image-folder"
      /// A folder of images without labels.
      case flat
      /// A text file of paths.
      case list
    }

    /// The folder or the list.
    public var path = "/srv/images"
    /// How the path is read.
    public var layout = Layout.imageFolder
    /// Shell patterns of what in the folder is left out, by name or by path relative to the folder.
    public var exclude: [String] = []
    /// Whether pictures are turned as their metadata say.
    public var applyOrientation = true
  }

  /// How samples are divided into batches, and batches among ranks.
  public struct Batch: Equatable, Sendable {
    /// Samples per batch and rank.
    public var size = 256
    /// Ranks that share a global batch.
    public var worldSize = 1
    /// The ranks that this service makes batches for, each with a ring of its own.
    public var ranks = [0]
    /// What becomes of samples that do not fill the last batch of an epoch.
    public var lastBatch = StreamSchedule.LastBatch.drop

    /// Samples per global batch.
    public var globalSize: Int { size * worldSize }
  }

  /// What happens to each view.
  public struct Views: Equatable, Sendable {
    /// The published recipe that views start from.
    public var preset = RecipePreset.mocov2
    /// Width and height of the views in pixels.
    public var side = 224
    /// What views do differently, in their order. More tables than the preset has views add views.
    public var overrides: [ViewOverride] = []
  }

  /// What one view does differently from its preset; what is nil stays as it is.
  public struct ViewOverride: Equatable, Sendable {
    /// Width and height in pixels.
    public var side: Int?
    /// The part of the image's area that the crop covers.
    public var cropScale: ClosedRange<Double>?
    /// Width divided by height of the crop.
    public var cropAspect: ClosedRange<Double>?
    /// How the crop is resampled.
    public var interpolation: ResamplingFilter?
    /// How often the view is mirrored.
    public var flipProbability: Double?
    /// How often colours are jittered.
    public var jitterProbability: Double?
    /// Strength of the brightness jitter.
    public var jitterBrightness: Double?
    /// Strength of the contrast jitter.
    public var jitterContrast: Double?
    /// Strength of the saturation jitter.
    public var jitterSaturation: Double?
    /// Strength of the hue jitter, in turns.
    public var jitterHue: Double?
    /// How often the view becomes gray.
    public var grayscaleProbability: Double?
    /// How often the view is blurred.
    public var blurProbability: Double?
    /// Standard deviation of the blur in pixels.
    public var blurSigma: ClosedRange<Double>?
    /// Width and height of the blur's kernel in pixels, odd.
    public var blurKernel: Int?
    /// How often the view is solarized.
    public var solarizeProbability: Double?
    /// The smallest sample that solarization inverts.
    public var solarizeThreshold: UInt8?

    /// A view that does nothing differently.
    public init() {}
  }

  /// Style transfer.
  public struct Style: Equatable, Sendable {
    /// Where styles come from.
    public enum Source: String, CaseIterable, Sendable {
      /// Another sample of the same batch.
      case inBatch = "in-batch"
      /// The images of a folder.
      case folder
      /// A file of embeddings.
      case bank
    }

    /// Whether styles are transferred at all.
    public var enabled = true
    /// The model file; empty for the embedded model.
    public var model = ""
    /// Where styles come from.
    public var source = Source.inBatch
    /// The folder of style images, for the source `folder`.
    public var folder = ""
    /// The file of embeddings, for the source `bank`; empty for the embedded bank.
    public var bank = ""
    /// How often a view is stylized.
    public var probability = 0.8
    /// How far the content's embedding moves towards the style's.
    public var alpha = 0.1...0.3
    /// How much of the stylized image is mixed into the content.
    public var beta = 0.1...0.3
    /// The views that are stylized, counted from 1.
    public var views = [1]
    /// Samples that lend styles to each other, for the source `in-batch`.
    public var group = 32
  }

  /// The threads that prepare samples.
  public struct Workers: Equatable, Sendable {
    /// How many there are; 0 for one for each core that the process may use.
    public var count = 0

    /// How many there are, counted.
    public var resolvedCount: Int {
      count > 0 ? count : ProcessorShare.cores
    }
  }

  /// The shared-memory ring.
  public struct Ring: Equatable, Sendable {
    /// Batches that each ring holds.
    public var slots = 8
    /// The directory of the rings: a file system in memory.
    public var directory = "/dev/shm"
    /// The group whose members may read the rings, by name or number; empty for none.
    public var group = ""
  }

  /// Where the service keeps its own files.
  public struct State: Equatable, Sendable {
    /// The directory of the index; empty for the usual place.
    public var directory = ""
    /// The directory of the control socket; empty for the usual place.
    public var runtimeDirectory = ""
  }

  /// What an input may cost, how many may be bad, and how long the machine may be at fault.
  public struct Limits: Equatable, Sendable {
    /// The part of the data set that may be unusable before the stream stops.
    public var maximumBadFraction = 0.05
    /// The most pixels of one image.
    public var maximumPixels = DecodeLimits.standard.maximumPixels
    /// The most bytes of one image file.
    public var maximumFileBytes = DecodeLimits.standard.maximumBytes
    /// For how long a picture is tried again while the machine is at fault, in seconds.
    public var waitForMachine = 60
  }

  /// The SQLite index.
  public struct Index: Equatable, Sendable {
    /// How many of the latest batches per rank it keeps with all their draws.
    public var windowBatches = 1000
  }
}

// MARK: - Places

extension ServiceConfiguration.State {
  /// The directory of the index: the key's, systemd's, root's or the user's own.
  public var resolvedDirectory: String {
    resolvedDirectory(environment: ProcessInfo.processInfo.environment, isRoot: geteuid() == 0)
  }

  /// The directory of the control socket: the key's, systemd's, root's or the user's own.
  public var resolvedRuntimeDirectory: String {
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
  var groupNumber: gid_t? {
    if let number = gid_t(group), number != gid_t.max { return number }
    var entry = Glibc.group()
    var found: UnsafeMutablePointer<Glibc.group>?
    // Enough for the thousands of members that some groups have.
    var text = [CChar](repeating: 0, count: 1 << 20)
    guard !group.isEmpty, getgrnam_r(group, &entry, &text, text.count, &found) == 0, found != nil else { return nil }
    return entry.gr_gid
  }
}

// MARK: - Views

extension ServiceConfiguration {
  /// What happens to each view, in their order: the preset with its overrides, and style for the views that get it.
  public var viewRecipes: [ViewRecipe] {
    (0..<viewCount).map { index in
      let override = views.overrides.indices.contains(index) ? views.overrides[index] : ViewOverride()
      // Views beyond the preset's start from its last.
      let published = views.preset.views(side: override.side ?? views.side, style: nil)
      var recipe = published[min(index, published.count - 1)]
      override.apply(to: &recipe)
      if style.enabled, style.views.contains(index + 1) {
        recipe.style = StyleTransferRecipe(probability: style.probability, alpha: style.alpha, beta: style.beta)
      }
      return recipe
    }
  }

  /// How many views there are.
  var viewCount: Int { max(2, views.overrides.count) }
}

extension ServiceConfiguration.ViewOverride {
  fileprivate func apply(to recipe: inout ViewRecipe) {
    if let cropScale { recipe.cropArea = cropScale }
    if let cropAspect { recipe.cropAspect = cropAspect }
    if let interpolation { recipe.filter = interpolation }
    if let flipProbability { recipe.flipProbability = flipProbability }
    if let grayscaleProbability { recipe.grayscaleProbability = grayscaleProbability }

    var jitter =
      recipe.jitter ?? ColorJitterRecipe(probability: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0)
    if let jitterProbability { jitter.probability = jitterProbability }
    if let jitterBrightness { jitter.brightness = jitterBrightness }
    if let jitterContrast { jitter.contrast = jitterContrast }
    if let jitterSaturation { jitter.saturation = jitterSaturation }
    if let jitterHue { jitter.hue = jitterHue }
    recipe.jitter = jitter.probability > 0 ? jitter : nil

    var blur =
      recipe.blur ?? BlurRecipe(probability: 0, kernelSize: BlurRecipe.kernelSize(forSide: recipe.side))
    if let blurProbability { blur.probability = blurProbability }
    if let blurSigma { blur.sigma = blurSigma }
    if let blurKernel { blur.kernelSize = blurKernel }
    recipe.blur = blur.probability > 0 ? blur : nil

    var solarize = recipe.solarize ?? SolarizeRecipe(probability: 0)
    if let solarizeProbability { solarize.probability = solarizeProbability }
    if let solarizeThreshold { solarize.threshold = solarizeThreshold }
    recipe.solarize = solarize.probability > 0 ? solarize : nil
  }
}
