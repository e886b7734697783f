import COpenBLAS
import Glibc

/// The Gaussian of many styles: from it come styles without end that no picture has.
///
/// Styles are drawn as StyleAug draws them (P. T. Jackson et al., "Style Augmentation: Data Augmentation via Style Randomization", 2019):
/// `z = mean + A n`, where n are standard normal numbers and `A A^T` is the covariance of the styles' embeddings. A comes from the
/// singular value decomposition of the covariance, `U S U^T`: it is `U sqrt(S)`.
///
/// It is computed once, where a bank is made, and kept in the bank's file: computed at every start, its last bits would be another
/// processor's, and so would the stream.
package struct StyleDistribution: Sendable, Hashable {
  /// The mean embedding.
  package let mean: [Float]
  /// A, row by row: as many rows and columns as an embedding has numbers.
  package let factor: [Float]

  /// A Gaussian from its parts; `factor` is the square of `mean` in size.
  package init(mean: [Float], factor: [Float]) {
    precondition(factor.count == mean.count * mean.count, "a factor has a row and a column for each number of the mean")
    self.mean = mean
    self.factor = factor
  }

  /// The Gaussian of embeddings of one length, with their unbiased covariance.
  ///
  /// - Returns: `nil` for fewer than two embeddings, and where all of them are the same: then nothing can be drawn but one style.
  package init?(of embeddings: [StyleEmbedding]) {
    guard let length = embeddings.first?.values.count, Set(embeddings).count > 1 else { return nil }
    var mean = [Double](repeating: 0, count: length)
    for embedding in embeddings {
      for index in 0..<length { mean[index] += Double(embedding.values[index]) / Double(embeddings.count) }
    }
    // Symmetric, so it is the same by rows, as here, and by columns, as LAPACK has it.
    var vectors = [Double](repeating: 0, count: length * length)
    for embedding in embeddings {
      let centred = (0..<length).map { Double(embedding.values[$0]) - mean[$0] }
      cblas_dsyr(
        CblasRowMajor, CblasUpper, CInt(length), 1 / Double(embeddings.count - 1), centred, 1, &vectors, CInt(length))
    }
    let values = Self.decompose(&vectors, order: length)
    var factor = [Float](repeating: 0, count: length * length)
    // The largest variances come first. What is below zero is zero but for rounding.
    for (column, source) in (0..<length).reversed().enumerated() {
      let deviation = max(values[source], 0).squareRoot()
      for row in 0..<length { factor[row * length + column] = Float(vectors[source * length + row] * deviation) }
    }
    self.init(mean: mean.map { Float($0) }, factor: factor)
  }

  /// The eigenvalues, ascending, of a symmetric matrix whose upper triangle by rows is given; its eigenvectors take its place, one after
  /// the other. For a covariance, these are the singular values and vectors.
  private static func decompose(_ matrix: inout [Double], order: Int) -> [Double] {
    var values = [Double](repeating: 0, count: order)
    var work = [Double](repeating: 0, count: 64 * order)
    var size = CInt(order)
    var workLength = CInt(work.count)
    var info: CInt = 0
    // LAPACK counts by columns: what is the upper triangle by rows is the lower one to it.
    dsyev_("V", "L", &size, &matrix, &size, &values, &work, &workLength, &info, 1, 1)
    precondition(info == 0, "LAPACK's dsyev did not decompose a covariance: \(info)")
    return values
  }

  /// The style at `normals`, as many standard normal numbers as an embedding has.
  package func embedding(at normals: [Double]) -> StyleEmbedding {
    precondition(normals.count == mean.count, "a style of \(mean.count) numbers needs as many normal ones")
    return StyleEmbedding(
      mean.indices.map { row in
        var value = Double(mean[row])
        for column in mean.indices { value += Double(factor[row * mean.count + column]) * normals[column] }
        return Float(value)
      })
  }
}
