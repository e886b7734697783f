import Basics
import Dataset
import Streams
import StyleTransfer

/// The model and the styles, opened as a start would open them.
extension Diagnosis {
  private var needsModel: Bool { configuration.viewRecipes.contains { $0.style != nil } }

  /// Whether the model can be used.
  func model() -> Finding {
    guard needsModel else { return .ok("model", "none is needed") }
    let location = ModelLocation(configuration.style.model)
    do throws(ModelError) {
      let model = try location.load()
      _ = try model.requiredPredictorSide(of: location.name)
      return .ok("model", "\(location.name), \(model.parameterCount) parameters")
    } catch {
      return .problem("model", error.description, remedy: "set style.model to a model file")
    }
  }

  /// The finding on styles that can be used, unless they cannot be drawn by their weights.
  private func weighed(_ names: [String], _ found: String) -> Finding {
    do {
      _ = try configuration.style.weights(for: names)
      return .ok("styles", found)
    } catch {
      return .problem("styles", "\(error)", remedy: "change style.weights")
    }
  }

  /// Whether the styles can be used, and with the model. Pictures of a folder are counted, not embedded.
  func styles() -> Finding {
    guard needsModel else { return .ok("styles", "none are needed") }
    switch configuration.style.source {
    case .inBatch:
      return .ok("styles", "those of the samples")
    case .folder:
      do throws(DatasetError) {
        let pictures = try SampleCatalog.flatFolder(at: BytePath(configuration.style.folder))
        return weighed(
          (0..<pictures.count).map { pictures.relativePath(of: $0).description },
          "\(configuration.style.folder), \(pictures.count) pictures")
      } catch {
        return .problem("styles", error.description, remedy: "set style.folder to a folder of pictures")
      }
    case .bank, .sampled:
      let path = configuration.style.bank
      do throws(ModelError) {
        let (model, fingerprint) = try ModelLocation(configuration.style.model).loadWithFingerprint()
        let bank = try StyleBank.named(path, for: model, modelFingerprint: fingerprint)
        let name = StyleBank.name(of: path)
        guard configuration.style.source == .sampled else {
          return weighed(bank.entries.map(\.name), "\(name), \(bank.entries.count) styles")
        }
        _ = try bank.requiredDistribution(at: name)
        return .ok("styles", "\(name), drawn from its Gaussian")
      } catch {
        return .problem("styles", error.description, remedy: "set style.bank to a bank of this model's styles")
      }
    }
  }
}
