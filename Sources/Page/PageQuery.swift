import Basics
import BatchIndex
import BatchRing
import Configuration
import Control
import FoundationEssentials
import Glibc
import Pipeline

/// Collects what the page shows: asks the daemon, looks into the rings and reads the index. It changes nothing, and holds nobody up.
struct PageQuery {
  /// How many intervals of the throughput history are shown, and how many of the latest batches.
  private static let shown = (intervals: 120, batches: 200)
  /// In how many of the latest batches draws are counted, and how many styles are told by name.
  private static let counted = (batches: 64, styles: 12)

  let configuration: ServiceConfiguration
  /// What is wrong with the configuration's file now, where that is not the one above any more.
  let configurationProblem: String?
  let shownBatches: ShownBatches

  /// Everything, now.
  func state() -> PageState {
    let status = StatusQuery(configuration).ask()
    var history: [PageState.History] = []
    var indexProblem: String?
    do throws(DatabaseError) {
      let reader = try BatchIndexReader(path: ServicePlaces(of: configuration).indexPath)
      for rank in configuration.batch.ranks { history.append(try self.history(of: rank, reader)) }
    } catch {
      indexProblem = error.description
    }
    return PageState(
      madeAtSeconds: Date.now.timeIntervalSince1970, status: status, advice: status.advice,
      configurationProblem: configurationProblem, configuration: configuration.withEveryViewKey.toml,
      rings: configuration.batch.ranks.map { ring(of: $0) }, indexProblem: indexProblem, history: history)
  }

  private func ring(of rank: Int) -> PageState.Ring {
    let columns = BatchFields.styleColumns(of: configuration.viewRecipes)
    var observer: RingObserver?
    var entries: [RingObserver.Entry] = []
    var problem: String?
    var shown: ShownBatch?
    do throws(RingError) {
      do throws(RingError) {
        observer = try RingObserver(
          at: RingLocation(directory: configuration.ring.directory, name: configuration.stream.name, rank: rank))
        entries = observer?.entries ?? []
      } catch {
        problem = error.description
      }
      shown = try shownBatches.latest(rank: rank, in: observer, entries: entries, styleColumns: columns)
    } catch {
      problem = error.description
    }
    return PageState.Ring(
      rank: rank, problem: problem, slots: observer?.geometry.slotCount ?? 0,
      batches: entries.map {
        PageState.Batch(batch: $0.number, epoch: $0.epoch, step: $0.step, isLeased: $0.isLeased)
      }, shown: shown)
  }

  private func history(of rank: Int, _ reader: BatchIndexReader) throws(DatabaseError) -> PageState.History {
    let ranks = configuration.batch.ranks.count
    let intervals = try reader.throughput(limit: Self.shown.intervals * ranks).filter { $0.rank == rank }
    let counts = try reader.styleCounts(batches: Self.counted.batches, rank: rank, listed: Self.counted.styles)
    let names = try styleNames(reader)
    return PageState.History(
      rank: rank,
      intervals: intervals.reversed().map { interval in
        let seconds = max(interval.duration.seconds, 1e-6)
        return PageState.History.Interval(
          startedAtSeconds: interval.startedAt.timeIntervalSince1970, durationSeconds: seconds,
          imagesPerSecond: Double(interval.images) / seconds,
          fullPercent: min(100, 100 * interval.ringFull.seconds / seconds),
          trainerStarvedPercent: min(100, 100 * interval.starved.seconds / seconds))
      },
      batches: try reader.latestBatches(limit: Self.shown.batches, rank: rank, withDraws: false).reversed().map {
        PageState.History.Batch(
          batch: $0.number, madeAtSeconds: $0.madeAt.timeIntervalSince1970,
          consumedAtSeconds: $0.consumedAt?.timeIntervalSince1970,
          decodeMilliseconds: $0.stages.decode.seconds * 1e3, cropMilliseconds: $0.stages.crop.seconds * 1e3,
          styleMilliseconds: $0.stages.style.seconds * 1e3, augmentMilliseconds: $0.stages.augment.seconds * 1e3)
      },
      countedBatches: Self.counted.batches,
      strengths: counts.strengths.map {
        PageState.History.Strength(
          view: $0.view, samples: $0.samples, stylized: $0.stylized, alpha: Self.bins($0.alpha),
          beta: Self.bins($0.beta))
      },
      differentStyles: counts.differentStyles,
      styles: counts.mostFrequent.map {
        let isNamed = names.indices.contains(Int($0.style))
        return PageState.History.Style(
          styleId: $0.style, name: isNamed ? names[Int($0.style)] : nil, count: $0.count)
      })
  }

  private static func bins(_ counts: [Int: Int]) -> [PageState.History.Bin] {
    counts.sorted { $0.key < $1.key }.map { PageState.History.Bin(hundredths: $0.key, count: $0.value) }
  }

  /// The names of the styles of a folder, by their numbers; of other sources the index has none.
  private func styleNames(_ reader: BatchIndexReader) throws(DatabaseError) -> [String] {
    guard configuration.style.source == .folder else { return [] }
    let bank = try reader.styleBanks().first { $0.name == configuration.style.folder }
    return bank?.styles.map { BytePath($0.path.prefix { $0 != 0 }).description } ?? []
  }
}

extension Duration {
  /// The duration in seconds.
  fileprivate var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
