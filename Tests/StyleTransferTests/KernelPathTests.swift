import StyleTransfer
import Testing

@Suite struct KernelPathTests {
  @Test func everyPathThatThisProcessorHasMayBeNamed() {
    #expect(KernelPath.available.last == "portable")
    #expect(KernelPath.available.contains(KernelPath.selected))
    for wanted in KernelPath.available + ["", nil] { #expect(KernelPath.problem(with: wanted) == nil) }
  }

  @Test(arguments: ["nonsense", "AVX512", "avx2 ", "0"])
  func whatIsNoPathIsToldWithThoseThatAre(wanted: String) throws {
    let problem = try #require(KernelPath.problem(with: wanted))
    #expect(problem.contains("'\(wanted)'") && problem.contains("avx512, avx2 or portable"))
  }

  @Test func aPathThatThisProcessorLacksIsToldWithThoseThatItHas() {
    for wanted in ["avx512", "avx2"] where !KernelPath.available.contains(wanted) {
      #expect(KernelPath.problem(with: wanted)?.contains("this processor has no such instructions") == true)
    }
  }
}
