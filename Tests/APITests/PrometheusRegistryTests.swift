import Metrics
import Testing

import API

@Suite struct PrometheusRegistryTests {
    @Test func `series are written in order, each with its type`() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "b_total", dimensions: [("result", "x")]).increment(by: 2)
        registry.makeCounter(label: "b_total", dimensions: [("result", "a\"\\\n")]).increment(by: 1)
        registry.makeRecorder(label: "a.size", dimensions: [], aggregate: false).record(2.5)
        registry.makeRecorder(label: "c", dimensions: [], aggregate: true).record(Int64(4))
        #expect(
            registry.text() == #"""
                # TYPE a_size gauge
                a_size 2.5
                # TYPE b_total counter
                b_total{result="a\"\\\n"} 1
                b_total{result="x"} 2
                # TYPE c summary
                c_sum 4
                c_count 1

                """#)
    }

    @Test func `a timer is a histogram in seconds`() {
        let registry = PrometheusRegistry()
        let timer = registry.makeTimer(label: "t_seconds", dimensions: [("k", "v")])
        for nanoseconds: Int64 in [100_000, 3_000_000, 20_000_000_000] { timer.recordNanoseconds(nanoseconds) }
        let lines = registry.text().split(separator: "\n")
        #expect(lines.first == "# TYPE t_seconds histogram")
        #expect(lines.contains(#"t_seconds_bucket{k="v",le="0.0001"} 1"#))
        #expect(lines.contains(#"t_seconds_bucket{k="v",le="0.0025"} 1"#))
        #expect(lines.contains(#"t_seconds_bucket{k="v",le="0.005"} 2"#))
        #expect(lines.contains(#"t_seconds_bucket{k="v",le="10"} 2"#))
        #expect(lines.contains(#"t_seconds_bucket{k="v",le="+Inf"} 3"#))
        #expect(lines.contains(#"t_seconds_count{k="v"} 3"#))
    }

    @Test func `the same label and dimensions are the same series, from every thread`() async {
        let registry = PrometheusRegistry()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        registry.makeCounter(label: "n_total", dimensions: []).increment(by: 1)
                        registry.makeFloatingPointCounter(label: "f_total", dimensions: []).increment(by: 0.5)
                    }
                }
            }
        }
        #expect(registry.text().contains("n_total 8000\n"))
        #expect(registry.text().contains("f_total 4000\n"))
    }

    @Test func `one name keeps one type`() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "x", dimensions: []).increment(by: 1)
        registry.makeMeter(label: "x", dimensions: []).set(Int64(9))
        #expect(registry.text() == "# TYPE x counter\nx 1\n")
    }
}
