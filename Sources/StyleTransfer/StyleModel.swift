import CStyleKernels
import FoundationEssentials
import Glibc

/// A style predictor F and a style transformer T, ready to run.
///
/// For example, a picture repainted a fifth of the way toward the style of another:
///
///     let model = try StyleModel(contentsOf: URL(fileURLWithPath: "lite.safetensors"))
///     let workspace = StyleWorkspace()
///     let own = try model.embed(pixels: small, workspace: workspace)
///     let other = try model.embed(pixels: painting, workspace: workspace)
///     try model.stylize(
///       inPlace: picture, width: 224, height: 224, embedding: own.blended(toward: other, alpha: 0.2),
///       beta: 0.2, workspace: workspace)
///
/// A model never changes after it is loaded, so any number of threads may use it, each with its own ``StyleWorkspace``.
package final class StyleModel: Sendable {
  /// The shape of the networks.
  package let architecture: ModelArchitecture
  /// Where the weights come from, in the words of the file.
  package let provenance: String
  /// The licence of the weights, in the words of the file.
  package let licence: String
  /// The predictor's layers; nil in a transformer-only model.
  package let predictor: PredictorPlan?
  /// The transformer's layers.
  package let transformer: TransformerPlan
  private let engine: any StyleEngine

  /// Whether its pictures are the same, byte for byte, whichever vector instructions it runs on.
  package var isSameOnEveryPath: Bool { engine.isSameOnEveryPath }

  /// Loads a model file.
  ///
  /// - Parameter url: a safetensors file as docs/model-format.md describes it.
  /// - Throws: ``ModelError`` when the file cannot be read, is damaged, or its tensors do not fit its architecture.
  package convenience init(contentsOf url: URL) throws(ModelError) {
    try self.init(SafetensorsFile(contentsOf: url))
  }

  /// Loads a model from memory, for example one that is compiled into the program.
  ///
  /// - Parameters:
  ///   - bytes: the contents of a model file.
  ///   - name: what errors call it.
  /// - Throws: ``ModelError`` as ``init(contentsOf:)``.
  package convenience init(bytes: Data, name: String) throws(ModelError) {
    try self.init(SafetensorsFile(bytes: bytes, name: name))
  }

  private init(_ file: SafetensorsFile) throws(ModelError) {
    provenance = try file.requiredMetadata("provenance")
    licence = try file.requiredMetadata("licence")
    architecture = try ModelArchitecture(json: file.requiredMetadata("architecture"), in: file.name)
    var reader = PlanReader(architecture: architecture, file: file)
    predictor = try reader.predictor()
    transformer = try reader.transformer()
    try reader.refuseSurplus(in: file)
    engine = FastEngine(
      predictor: predictor, transformer: transformer, embeddingCount: architecture.embedding)
  }

  private init(
    architecture: ModelArchitecture, provenance: String, licence: String, predictor: PredictorPlan?,
    transformer: TransformerPlan, engine: any StyleEngine
  ) {
    self.architecture = architecture
    self.provenance = provenance
    self.licence = licence
    self.predictor = predictor
    self.transformer = transformer
    self.engine = engine
  }

  /// A model of random weights, for tests and benchmarks: it costs what a trained one costs, and its activations are as large.
  ///
  /// - Parameters:
  ///   - architecture: JSON as docs/model-format.md describes it.
  ///   - seed: equal seeds give equal weights.
  /// - Throws: ``ModelError`` with code `invalidArchitecture`.
  package convenience init(randomWeightsFor architecture: String, seed: UInt64) throws(ModelError) {
    let parsed = try ModelArchitecture(json: architecture, in: "random model")
    var weights = RandomWeights(seed: seed)
    var reader = PlanReader(architecture: parsed, fileName: "random model") { name, shape in
      weights.tensor(name, shape: shape)
    }
    let predictor = try reader.predictor()
    let transformer = try reader.transformer()
    self.init(
      architecture: parsed, provenance: "random weights, seed \(seed)", licence: "none", predictor: predictor,
      transformer: transformer,
      engine: FastEngine(predictor: predictor, transformer: transformer, embeddingCount: parsed.embedding))
  }

  /// The same networks on another engine.
  package func running(on engine: any StyleEngine) -> StyleModel {
    StyleModel(
      architecture: architecture, provenance: provenance, licence: licence, predictor: predictor,
      transformer: transformer, engine: engine)
  }

  /// The same networks on the plain engine that all others are measured against, for tests and benchmarks.
  package var onReferenceEngine: StyleModel {
    running(on: ReferenceEngine(predictor: predictor, transformer: transformer))
  }

  /// Numbers learnt, both networks together.
  package var parameterCount: Int { (predictor?.parameterCount ?? 0) + transformer.parameterCount }

  /// Width and height of the picture that ``embed(pixels:workspace:)`` reads; nil in a transformer-only model.
  package var predictorSide: Int? { architecture.predictor?.side }

  /// Width and height of the picture that the predictor reads.
  ///
  /// - Parameter name: what the error calls the model.
  /// - Throws: ``ModelError`` with code `noPredictor` for a transformer-only model.
  package func requiredPredictorSide(of name: String = "model") throws(ModelError) -> Int {
    if let predictorSide { return predictorSide }
    throw ModelError(
      .noPredictor, at: name, "it has a style transformer alone, and no predictor to see the style of a picture with",
      remedy: "use a model that has both networks: 'sasslctl model import' with --predictor makes one")
  }

  /// Multiply-accumulates of the transformer for one picture of this size.
  ///
  /// - Precondition: the transformer takes both sides: ``ModelArchitecture/takes(side:)``.
  package func macs(width: Int, height: Int) -> Int { transformer.macs(width: width, height: height) }

  /// Multiply-accumulates of the predictor for one picture; nil in a transformer-only model.
  package var predictorMACs: Int? { predictor?.macs }

  /// The style of a picture.
  ///
  /// - Parameters:
  ///   - pixels: `[side][side][3]` uint8 RGB, where side is ``predictorSide``: the whole picture, resized to it.
  ///   - workspace: the calling thread's scratch memory.
  /// - Throws: ``ModelError`` with code `noPredictor` when the model has only a transformer.
  package func embed(pixels: UnsafePointer<UInt8>, workspace: StyleWorkspace) throws(ModelError) -> StyleEmbedding {
    var embedding = StyleEmbedding([Float](repeating: 0, count: architecture.embedding))
    try embed(pixels: pixels, into: &embedding, workspace: workspace)
    return embedding
  }

  /// As ``embed(pixels:workspace:)``, into an embedding that exists already, so that nothing is allocated.
  ///
  /// - Throws: ``ModelError`` with code `noPredictor`, or `invalidEmbedding` when its length is not the model's.
  package func embed(
    pixels: UnsafePointer<UInt8>, into embedding: inout StyleEmbedding, workspace: StyleWorkspace
  ) throws(ModelError) {
    guard predictor != nil else {
      throw ModelError(
        .noPredictor, at: "embed", "this model has only a transformer",
        remedy: "import it with --predictor, or use embeddings from a style bank")
    }
    try check(embedding)
    embedding.values.withUnsafeMutableBufferPointer {
      engine.embed(pixels, into: $0.baseAddress!, workspace: workspace)
    }
  }

  /// The picture repainted in a style.
  ///
  /// - Parameters:
  ///   - pixels: `[height][width][3]` uint8 RGB.
  ///   - width: a multiple of 4 within 8...65536.
  ///   - height: likewise.
  ///   - embedding: the style.
  ///   - beta: how much of the repainted picture goes into the result, 0...1: `(1 - beta) content + beta T(content, z)`. 0 gives
  ///     the content (divided by 255) exactly, and runs no network.
  ///   - output: receives `[height][width][3]`, each in 0...1.
  ///   - workspace: the calling thread's scratch memory.
  /// - Throws: ``ModelError`` with code `invalidPictureSize` or `invalidEmbedding`.
  package func stylize(
    pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: StyleEmbedding, beta: Float = 1,
    into output: UnsafeMutablePointer<Float>, workspace: StyleWorkspace
  ) throws(ModelError) {
    try check(width: width, height: height)
    try check(embedding)
    let count = width * height * 3
    if beta == 0 {
      for index in 0..<count { output[index] = Float(pixels[index]) / 255 }
      return
    }
    embedding.values.withUnsafeBufferPointer {
      engine.stylize(
        pixels, width: width, height: height, embedding: $0.baseAddress!, into: output, workspace: workspace)
    }
    guard beta != 1 else { return }
    for index in 0..<count { output[index] = (1 - beta) * (Float(pixels[index]) / 255) + beta * output[index] }
  }

  /// Repaints a picture where it lies.
  ///
  /// The blend is computed in float32 and rounded once, to the nearest of 0...255.
  ///
  /// - Parameters:
  ///   - pixels: `[height][width][3]` uint8 RGB, read and overwritten.
  ///   - width: a multiple of 4 within 8...65536.
  ///   - height: likewise.
  ///   - embedding: the style.
  ///   - beta: as in ``stylize(pixels:width:height:embedding:beta:into:workspace:)``; 0 leaves every byte as it is.
  ///   - workspace: the calling thread's scratch memory.
  /// - Throws: ``ModelError`` with code `invalidPictureSize` or `invalidEmbedding`; the picture is then untouched.
  package func stylize(
    inPlace pixels: UnsafeMutablePointer<UInt8>, width: Int, height: Int, embedding: StyleEmbedding, beta: Float,
    workspace: StyleWorkspace
  ) throws(ModelError) {
    try check(width: width, height: height)
    try check(embedding)
    if beta == 0 { return }
    let count = width * height * 3
    let stylized = workspace.picture.reserve(floats: count)
    embedding.values.withUnsafeBufferPointer {
      engine.stylize(
        pixels, width: width, height: height, embedding: $0.baseAddress!, into: stylized, workspace: workspace)
    }
    style_kernels_selected().pointee.blend_bytes_f32(stylized, count, beta, pixels)
  }

  private func check(width: Int, height: Int) throws(ModelError) {
    guard ModelArchitecture.takes(side: width), ModelArchitecture.takes(side: height) else {
      throw ModelError(
        .invalidPictureSize, at: "stylize", "a picture of \(width)x\(height) does not suit the transformer",
        remedy: "both sides must be multiples of \(ModelArchitecture.sideMultiple) "
          + "from \(ModelArchitecture.minimumSide) to \(ModelArchitecture.maximumSide): crop or resize it first")
    }
  }

  private func check(_ embedding: StyleEmbedding) throws(ModelError) {
    guard embedding.values.count == architecture.embedding else {
      throw ModelError(
        .invalidEmbedding, at: "embedding",
        "it has \(embedding.values.count) numbers and this model needs \(architecture.embedding)",
        remedy: "use embeddings and style banks made for this model")
    }
  }
}
